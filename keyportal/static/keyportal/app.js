// KeyPortal: progressive enhancement only. Every action also works as a plain link or form.
const root = document.documentElement;
root.classList.add("js");
const $$ = (selector, within = document) => within.querySelectorAll(selector);
const say = (text) => { const live = document.querySelector("#live"); if (live) live.textContent = text; };

// Copy: <button data-copy="#id"> copies what that element shows.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button || button.dataset.label) return;
  const source = document.querySelector(button.dataset.copy);
  const label = button.querySelector("span") ?? button;
  button.dataset.label = label.textContent;
  try {
    await navigator.clipboard.writeText(source.value ?? source.textContent); // needs https or localhost
    label.textContent = "Copied"; say("Copied");
  } catch {
    getSelection().selectAllChildren(source);
    label.textContent = "Press Ctrl+C"; say("Copying failed. The text is selected: press Control C.");
  }
  setTimeout(() => { label.textContent = button.dataset.label; delete button.dataset.label; say(""); }, 2500);
});

// Dialogs. A link with data-dialog opens one in place; one that the server opened becomes modal.
const leave = (dialog) => { // The address of a dialog that the server opened goes back to its page, focus to the link that opens it.
  const back = dialog.dataset.served && dialog.querySelector("[data-close]")?.href;
  if (!back) return;
  const opener = [...$$("main a")].find((link) => link.pathname === location.pathname);
  delete dialog.dataset.served;
  history.replaceState(null, "", back);
  document.title = `${document.querySelector("h1").textContent.trim()} · KeyPortal`;
  opener?.focus();
};
for (const dialog of $$("dialog")) {
  dialog.addEventListener("close", () => leave(dialog));
  if (dialog.open) { dialog.removeAttribute("open"); dialog.dataset.served = "yes"; dialog.showModal(); }
}
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-dialog]");
  const dialog = opener && document.getElementById(opener.dataset.dialog);
  if (dialog && !event.ctrlKey && !event.metaKey && !event.shiftKey) { event.preventDefault(); dialog.showModal(); }
  const closer = event.target.closest("dialog [data-close]");
  if (closer) { event.preventDefault(); closer.closest("dialog").close(); }
});

// Typed confirmation: <input data-confirm="exact name"> guards the submit button of its form.
const sync = (input) => {
  const typed = input.value.trim().normalize("NFC");
  input.form.querySelector("[type=submit]").disabled = typed !== input.dataset.confirm.normalize("NFC");
};
for (const input of $$("[data-confirm]")) { input.addEventListener("input", () => sync(input)); sync(input); }

// A choice that waits in a list: its button shows once another is chosen.
for (const button of $$("[data-when-changed]")) {
  const select = button.form.querySelector("select");
  const show = () => { button.classList.toggle("still", select.selectedOptions[0].defaultSelected); };
  select.addEventListener("change", show); show();
}

// A form is sent once: its buttons rest until the answer, or until the page is shown again.
document.addEventListener("submit", (event) => {
  if (event.target.method !== "post") return;
  setTimeout(() => {
    if (event.defaultPrevented) return;
    for (const button of $$("button:not(:disabled)", event.target)) { button.disabled = true; button.dataset.sent = ""; }
  });
});

// Menus close on Escape and on a click elsewhere.
const shut = (except) => { for (const menu of $$("details.menu[open]")) if (menu !== except) menu.open = false; };
document.addEventListener("click", (event) => shut(event.target.closest("details.menu")));
document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && document.querySelector("details.menu[open]");
  if (menu) { menu.open = false; menu.querySelector("summary").focus(); }
});

// A secret does not survive in the back/forward cache, and a page from there gets new nonces and live buttons.
addEventListener("pagehide", () => { for (const secret of $$("[data-secret]")) secret.value = secret.textContent = ""; });
const nonce = () => { // 24 letters and digits; bytes past the largest multiple of 62 are dropped, so that none is likelier.
  const letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  let text = "";
  while (text.length < 24) for (const byte of crypto.getRandomValues(new Uint8Array(32))) if (byte < 248 && text.length < 24) text += letters[byte % 62];
  return text;
};
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const input of $$("input[name=nonce]")) input.value = nonce();
  for (const button of $$("[data-sent]")) { button.disabled = false; delete button.dataset.sent; }
  for (const input of $$("[data-confirm]")) sync(input);
  for (const shown of $$("[data-secret-shown]")) shown.hidden = true;
  for (const gone of $$("[data-secret-gone]")) {
    gone.hidden = false;
    const heading = gone.querySelector("h1");
    document.title = `${heading.textContent} · KeyPortal`;
    heading.focus();
  }
});
