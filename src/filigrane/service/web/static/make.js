// Showing a picture while it is being drawn: the rough ones come as server-sent events, the marked one last.

const form = document.querySelector("#make");
const [busy, problem, made, picture, save, mark, seed, again] = ["busy", "problem", "made", "picture", "save", "mark", "seed", "check"].map((id) => document.getElementById(id));
let finished = null;

function show(event) {
  picture.src = `data:image/${event.output_format};base64,${event.b64_json}`;
  made.hidden = false;
  if (!event.type.endsWith(".completed")) return;
  finished = new Blob([Uint8Array.from(atob(event.b64_json), (letter) => letter.charCodeAt(0))], { type: `image/${event.output_format}` });
  save.href = picture.src;
  mark.firstElementChild.textContent = event.mark;
  mark.href = `/find?id=${event.mark}`;
  seed.textContent = event.seed;
  made.querySelector("figcaption").hidden = false;
}

function complain(status, detail) {
  made.hidden = true;
  const title = document.createElement("h2");
  title.textContent = problem.dataset[`s${status}`] || problem.dataset.other;
  const words = document.createElement("p");
  words.className = "soft";
  words.lang = "en";
  words.textContent = detail;
  problem.replaceChildren(title, words);
  problem.hidden = false;
}

async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ; ) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) yield JSON.parse(part.slice(part.indexOf("data: ") + 6));
  }
}

async function draw() {
  const body = JSON.stringify({ prompt: form.prompt.value, stream: true, partial_images: 3 });
  const response = await fetch("/v1/images/generations", { method: "POST", body, headers: { "Content-Type": "application/json" } });
  if (!response.ok) {
    complain(response.status, (await response.json()).detail);
    return;
  }
  for await (const event of events(response)) {
    if (event.type === "error") complain(event.error.status, event.error.message);
    else show(event);
  }
}

form.addEventListener("submit", async (submit) => {
  submit.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  problem.hidden = true;
  busy.hidden = false;
  made.querySelector("figcaption").hidden = true;
  try {
    await draw();
  } catch (error) {
    complain(0, error.message);
  } finally {
    busy.hidden = true;
    button.disabled = false;
  }
});

again.addEventListener("click", async () => {
  const blob = finished ?? new Blob([Uint8Array.from(atob(picture.src.split(",")[1]), (letter) => letter.charCodeAt(0))]);
  const body = new FormData();
  body.append("file", blob, "filigrane.png");
  busy.hidden = false;
  const response = await fetch("/", { method: "POST", body });
  if (response.ok) location = response.url;
  else complain(response.status, response.statusText);
  busy.hidden = true;
});
