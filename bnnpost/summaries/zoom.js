"use strict";
// Pictures grow when clicked, or by their button; code can be copied. Without it all is still shown.
(() => {
  const button = (words, label, act) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = words;
    made.setAttribute("aria-label", label);
    made.title = label;
    made.addEventListener("click", (event) => { event.stopPropagation(); act(made); });
    return made;
  };

  let dialog, stage, name, view, whole;
  const pointers = new Map();
  const picture = () => stage.firstElementChild;
  const show = () => picture().setAttribute("viewBox", view.join(" "));
  // Of its units to those of the screen.
  const unit = () => {
    const box = picture().getBoundingClientRect();
    return Math.max(view[2] / box.width, view[3] / box.height);
  };
  const place = (x, y) => {
    const point = new DOMPoint(x, y).matrixTransform(picture().getScreenCTM().inverse());
    return [point.x, point.y];
  };
  const scale = (factor, x = view[0] + view[2] / 2, y = view[1] + view[3] / 2) => {
    const size = Math.min(whole[2] * 1.5, Math.max(whole[2] / 40, view[2] * factor));
    const by = size / view[2];
    view = [x - (x - view[0]) * by, y - (y - view[1]) * by, view[2] * by, view[3] * by];
    show();
  };
  const move = (x, y) => { view[0] += x; view[1] += y; show(); };
  const reset = () => { view = [...whole]; show(); };

  const made = () => {
    dialog = document.createElement("dialog");
    const above = document.createElement("div");
    above.className = "bar-above";
    name = document.createElement("span");
    above.append(
      name,
      button("−", "Smaller", () => scale(1.4)),
      button("+", "Larger", () => scale(1 / 1.4)),
      button("1:1", "As it was", reset),
      button("Close", "Close (Escape)", () => dialog.close()),
    );
    stage = document.createElement("div");
    stage.className = "stage";
    dialog.append(above, stage);
    document.body.append(dialog);
    dialog.addEventListener("close", () => { pointers.clear(); stage.replaceChildren(); });
    dialog.addEventListener("keydown", (event) => {
      const step = view[2] / 12;
      const acts = {
        "+": () => scale(1 / 1.4), "=": () => scale(1 / 1.4), "-": () => scale(1.4), "0": reset,
        ArrowLeft: () => move(-step, 0), ArrowRight: () => move(step, 0),
        ArrowUp: () => move(0, -step), ArrowDown: () => move(0, step),
      };
      if (event.ctrlKey || event.metaKey || !acts[event.key]) return;
      event.preventDefault();
      acts[event.key]();
    });
    stage.addEventListener("wheel", (event) => {
      event.preventDefault();
      scale(Math.exp(event.deltaY / 400), ...place(event.clientX, event.clientY));
    }, { passive: false });
    stage.addEventListener("dblclick", reset);
    stage.addEventListener("pointerdown", (event) => {
      stage.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, [event.clientX, event.clientY]);
    });
    const apart = () => {
      const [a, b] = [...pointers.values()];
      return Math.hypot(a[0] - b[0], a[1] - b[1]);
    };
    stage.addEventListener("pointermove", (event) => {
      const before = pointers.get(event.pointerId);
      if (!before) return;
      const gap = pointers.size === 2 ? apart() : 0;
      const now = [event.clientX, event.clientY];
      pointers.set(event.pointerId, now);
      const share = unit() / pointers.size;
      move((before[0] - now[0]) * share, (before[1] - now[1]) * share);
      if (gap && apart()) {
        const [a, b] = [...pointers.values()];
        scale(gap / apart(), ...place((a[0] + b[0]) / 2, (a[1] + b[1]) / 2));
      }
    });
    for (const end of ["pointerup", "pointercancel"]) {
      stage.addEventListener(end, (event) => pointers.delete(event.pointerId));
    }
  };

  const grow = (svg, opener) => {
    if (!dialog) made();
    const copy = svg.cloneNode(true);
    const label = svg.getAttribute("aria-label") || "Picture";
    whole = svg.getAttribute("viewBox").split(" ").map(Number);
    stage.replaceChildren(copy);
    name.textContent = label;
    dialog.setAttribute("aria-label", label);
    reset();
    opener.focus({ preventScroll: true }); // where the keyboard is again afterwards
    dialog.showModal();
  };

  for (const one of document.querySelectorAll(".picture")) {
    const svg = one.querySelector("svg");
    if (!svg || typeof HTMLDialogElement === "undefined") continue;
    const label = (svg.getAttribute("aria-label") || "picture").split(". ")[0];
    const opener = button("⤢", `Enlarge: ${label}`, (it) => grow(svg, it));
    one.append(opener);
    one.classList.add("can-grow");
    svg.addEventListener("click", () => grow(svg, opener));
  }

  for (const one of document.querySelectorAll(".code")) {
    if (!navigator.clipboard) continue;
    const text = one.querySelector("code").textContent;
    one.append(button("Copy", "Copy to the clipboard", async (it) => {
      try {
        await navigator.clipboard.writeText(text);
        it.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(one.querySelector("code"));
        it.textContent = "Selected";
      }
      setTimeout(() => { it.textContent = "Copy"; }, 1500);
    }));
  }

  // What is folded is on paper too.
  const unfolded = [];
  addEventListener("beforeprint", () => {
    for (const one of document.querySelectorAll("details:not([open])")) { one.open = true; unfolded.push(one); }
  });
  addEventListener("afterprint", () => { for (const one of unfolded.splice(0)) one.open = false; });
})();
