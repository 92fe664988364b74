// Copies what a button stands beside, saves a result, and lets a message be dropped. All works without.
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
// save writes the page into a file: with its style, and without what needs this server.
async function save() {
  const page = document.documentElement.cloneNode(true);
  const link = page.querySelector("link[rel=stylesheet]");
  const style = document.createElement("style");
  style.textContent = await (await fetch(link.href)).text();
  link.replaceWith(style);
  page.querySelectorAll("script, link, nav, form, button, footer, .skip, .languages").forEach((e) => e.remove());
  page.querySelectorAll("a").forEach((a) => a.removeAttribute("href"));
  const file = document.createElement("a");
  file.href = URL.createObjectURL(new Blob(["<!doctype html>\n", page.outerHTML], { type: "text/html" }));
  file.download = "dojang.html";
  file.click();
}
const actions = { save, print: () => print() };
for (const button of document.querySelectorAll("button[data-do]")) {
  button.hidden = false;
  button.addEventListener("click", actions[button.dataset.do]);
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
    const text = event.dataTransfer.getData("text/plain"); // of what was selected elsewhere
    if (event.dataTransfer.files.length) {
      input.files = event.dataTransfer.files;
    } else if (text) {
      input.form.querySelector("textarea").value = text;
    } else {
      return;
    }
    input.form.requestSubmit();
  });
}
