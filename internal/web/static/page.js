// Copies what a button stands beside, and lets a message be dropped. All works without.
"use strict";
for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = false;
  const label = button.textContent;
  button.addEventListener("click", async () => {
    const from = document.getElementById(button.dataset.copy);
    let copied = false;
    try {
      await navigator.clipboard.writeText(from.textContent);
      copied = true;
    } catch {
      // Without TLS there is no clipboard but for what is selected.
      getSelection().selectAllChildren(from);
      copied = document.execCommand("copy");
    }
    button.textContent = copied ? label + " ✔" : label + " ✘";
    setTimeout(() => { button.textContent = label; }, 2000);
  });
}
for (const area of document.querySelectorAll("[data-drop]")) {
  const input = document.getElementById(area.dataset.drop);
  const mark = (on) => (event) => {
    event.preventDefault();
    area.classList.toggle("over", on);
  };
  area.addEventListener("dragenter", mark(true));
  area.addEventListener("dragover", mark(true));
  area.addEventListener("dragleave", mark(false));
  area.addEventListener("drop", (event) => {
    mark(false)(event);
    if (event.dataTransfer.files.length) {
      input.files = event.dataTransfer.files;
      input.form.requestSubmit();
    }
  });
}
