// Copying the sentence or the link, and laying the heat map over the picture.

export function enliven(root, picture) {
  const copying = (button, text) =>
    button?.addEventListener("click", async () => {
      await navigator.clipboard.writeText(text(button));
      button.textContent = button.dataset.done;
    });
  copying(root.querySelector("#copy"), () => root.querySelector("#sentence").textContent);
  copying(root.querySelector("#link"), (button) => location.origin + button.dataset.path);
  const look = root.querySelector(".look");
  const heat = root.querySelector("#heatswitch");
  if (look && picture) {
    look.hidden = false;
    look.querySelector(".picture").src = picture.url;
    look.querySelector(".picture").alt = picture.alt;
  }
  heat?.addEventListener("change", () => {
    const layer = look.querySelector(".heat");
    layer.src = heat.dataset.heat;
    layer.hidden = root.querySelector("#heattext").hidden = !heat.checked;
    look.hidden = !picture && !heat.checked;
    layer.classList.toggle("alone", !picture);
  });
}

if (document.querySelector(".answer")) enliven(document, null);
