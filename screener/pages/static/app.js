// What the pages do beyond plain forms: uploads of many pictures, and keys in the review queue. All of it is optional.
"use strict";

const AT_ONCE = 3;
const BATCH = 8;
const RETRY_AFTER = 2000;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Sends a form and gives the part of a page that is answered; waits and sends again where the server asks for patience.
async function post(path, form) {
  for (;;) {
    const answer = await fetch(path, { method: "POST", body: form, headers: { "HX-Request": "true" } });
    if (answer.status !== 429 && answer.status !== 503) {
      if (answer.headers.get("HX-Redirect")) location.assign(answer.headers.get("HX-Redirect"));
      return { ok: answer.ok, html: await answer.text() };
    }
    await pause(RETRY_AFTER);
  }
}

// Works on all items in batches, a few batches at a time; a batch has up to BATCH files of so many bytes together.
async function each(items, bytes, work) {
  const waiting = [];
  let room = 0;
  for (const item of items) {
    const last = waiting.at(-1);
    if (last && last.length < BATCH && item.file.size <= room) last.push(item);
    else waiting.push([item]);
    room = (waiting.at(-1).length === 1 ? bytes : room) - item.file.size;
  }
  const worker = async () => {
    while (waiting.length) await work(waiting.shift());
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

function upload(form) {
  const input = form.querySelector("input[type=file]");
  const drop = form.querySelector(".drop");
  const list = form.querySelector(".upload");
  const template = form.querySelector("template");
  const bar = form.querySelector("progress");
  const status = form.querySelector("[role=status]");
  const add = form.querySelector("[data-add]");
  const after = form.querySelector("[data-after]");
  const say = form.dataset;
  let items = [];
  let turn = 0;

  // Sends a batch, and gives what is said of each of its pictures, in their order.
  const ask = async (path, batch) => {
    const data = new FormData(form);
    data.delete("image");
    for (const item of batch) data.append("image", item.file, "picture");
    const answer = await post(path, data);
    const page = document.createElement("div");
    page.innerHTML = answer.html;
    const told = [...page.querySelectorAll("[data-result]")];
    return batch.map((_, n) => told[n] ?? page.cloneNode(true));
  };
  const show = (item, told) => {
    item.result.replaceChildren(told);
    return !told.querySelector("[data-refused], [role=alert]");
  };
  const tell = (text, done, all) => {
    status.textContent = text.replace("{done}", done).replace("{all}", all);
    bar.hidden = done >= all;
    bar.max = Math.max(all, 1);
    bar.value = done;
  };
  const offer = () => {
    const ready = items.filter((item) => item.state === "checked" && item.box.checked).length;
    add.disabled = ready === 0;
    add.textContent = say.add.replace("{count}", ready);
  };

  async function check(chosen) {
    const mine = turn;
    let done = 0;
    tell(say.checking, 0, chosen.length);
    add.disabled = true;
    await each(chosen, Number(say.bytes), async (batch) => {
      const told = await ask(say.check, batch);
      if (mine !== turn) return;
      batch.forEach((item, n) => {
        const fine = show(item, told[n]);
        item.state = fine ? "checked" : "refused";
        item.box.checked = fine && !item.result.querySelector("[data-held]");
        item.choice.hidden = !fine;
      });
      done += batch.length;
      tell(done === chosen.length ? say.checked : say.checking, done, chosen.length);
    });
    if (mine === turn) offer();
  }

  async function send() {
    const chosen = items.filter((item) => item.state === "checked" && item.box.checked);
    let done = 0;
    add.disabled = true;
    tell(say.sending, 0, chosen.length);
    await each(chosen, Number(say.bytes), async (batch) => {
      const told = await ask(form.action, batch);
      batch.forEach((item, n) => {
        show(item, told[n]);
        item.state = "sent";
        item.choice.hidden = true;
      });
      done += batch.length;
      tell(done === chosen.length ? say.sent : say.sending, done, chosen.length);
    });
    items = items.filter((item) => item.state !== "sent");
    after.hidden = false;
    offer();
    status.focus();
  }

  function take(files) {
    const fresh = [...files].map((file) => {
      const row = template.content.firstElementChild.cloneNode(true);
      const picture = row.querySelector("img");
      picture.src = URL.createObjectURL(file);
      const item = {
        file,
        row,
        state: "new",
        result: row.querySelector(".result"),
        choice: row.querySelector(".check"),
        box: row.querySelector("input"),
      };
      row.querySelector("[data-name]").textContent = file.name;
      item.box.addEventListener("change", offer);
      list.append(row);
      return item;
    });
    items.push(...fresh);
    input.value = "";
    check(fresh);
  }

  for (const hidden of form.querySelectorAll("[data-script]")) hidden.hidden = false;
  for (const plain of form.querySelectorAll("[data-plain]")) plain.remove();
  input.required = false;
  input.addEventListener("change", () => take(input.files));
  for (const name of ["dragenter", "dragover"])
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    take([...event.dataTransfer.files].filter((file) => file.type.startsWith("image/")));
  });
  for (const kind of form.querySelectorAll("[name=kind]"))
    kind.addEventListener("change", () => {
      turn += 1; // what was found out is about another kind
      for (const item of items) item.state = "new";
      if (items.length) check(items);
    });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
}

// One key per decision; never while somebody types or holds a modifier.
function keys(page) {
  const help = page.querySelector("dialog");
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.target.closest("input, textarea, select, dialog")) return;
    const target = page.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
    if (!target) return;
    event.preventDefault();
    if (target === help) help.showModal();
    else target.click();
  });
  for (const opener of page.querySelectorAll("[data-help]")) {
    opener.hidden = false;
    opener.addEventListener("click", () => help.showModal());
  }
  const claim = page.dataset.renew;
  if (claim)
    setInterval(() => {
      const form = new FormData();
      form.append("csrf", page.querySelector("[name=csrf]").value);
      if (!document.hidden) post(claim, form);
    }, 5 * 60 * 1000);
}

addEventListener("DOMContentLoaded", () => {
  for (const button of document.querySelectorAll(".no-script")) button.hidden = true;
  document.querySelectorAll("form[data-check]").forEach(upload);
  document.querySelectorAll("[data-keys]").forEach(keys);
});
