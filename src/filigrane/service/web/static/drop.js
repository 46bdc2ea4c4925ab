// One way for a picture to come in, by choosing, dropping or pasting: it ends up in the form's own file field.

export function receive(form, take) {
  const input = form.querySelector("input[type=file]");
  const put = (file) => {
    if (!file || form.closest("[hidden]")) return;
    const moved = new DataTransfer();
    moved.items.add(file);
    input.files = moved.files;
    take(file);
  };
  input.addEventListener("change", () => input.files[0] && take(input.files[0]));
  for (const name of ["dragenter", "dragover"]) {
    addEventListener(name, (event) => {
      event.preventDefault();
      form.classList.add("over");
    });
  }
  addEventListener("dragleave", () => form.classList.remove("over"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    form.classList.remove("over");
    put(event.dataTransfer.files[0]);
  });
  addEventListener("paste", (event) => put([...event.clipboardData.files].find((item) => item.type.startsWith("image/"))));
}
