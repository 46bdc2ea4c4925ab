// Dropping, pasting or choosing a picture sends it at once; the form does the same by itself without scripts.

import { receive } from "./drop.js";

const form = document.querySelector("#picture");
receive(form, () => {
  document.querySelector("#busy").hidden = false;
  form.submit();
});
