// Checking a picture without leaving the page; the answer is the same page that the form would lead to.

import { receive } from "./drop.js";
import { enliven } from "./result.js";

const form = document.querySelector("#upload");
const [ask, busy, problem, answer, how] = ["ask", "busy", "problem", "answer", "how"].map((id) => document.getElementById(id));
let shown = null;

function reset() {
  for (const part of [ask, how]) part.hidden = false;
  answer.replaceChildren();
  form.reset();
  if (shown) URL.revokeObjectURL(shown);
  shown = null;
}

function show(html, file) {
  answer.innerHTML = html;
  shown = URL.createObjectURL(file);
  enliven(answer, { url: shown, alt: answer.dataset.preview });
  history.pushState({}, "", `/results/${answer.querySelector(".answer").dataset.id}`);
  answer.querySelector("#again").addEventListener("click", (event) => {
    event.preventDefault();
    history.pushState({}, "", "/");
    reset();
    scrollTo(0, 0);
  });
  answer.focus();
  scrollTo(0, 0);
}

async function check(file) {
  problem.hidden = true;
  busy.hidden = false;
  ask.hidden = how.hidden = true;
  const body = new FormData();
  body.append("file", file, file.name || "pasted");
  try {
    const response = await fetch("/", { method: "POST", body, headers: { "X-Fragment": "1", Accept: "text/html" } });
    const isPage = response.headers.get("content-type")?.startsWith("text/html");
    if (response.ok) show(await response.text(), file);
    else throw isPage ? await response.text() : "";
  } catch (error) {
    reset();
    if (typeof error === "string" && error) problem.innerHTML = error;
    else problem.textContent = problem.dataset.other;
    problem.hidden = false;
  } finally {
    busy.hidden = true;
  }
}

addEventListener("popstate", () => location.reload());
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const file = form.querySelector("#file").files[0];
  if (file) check(file);
});
receive(form, check);
