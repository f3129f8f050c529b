"use strict";

// A slider and the number beside it say the same; a form that is reset says so, and marks what has been moved.
function mark(number) {
  const row = number.closest(".bound-row");
  if (row) {
    row.classList.toggle("moved", [...row.querySelectorAll("input[data-stored]")].some(each => each.value !== each.dataset.stored));
  }
}

document.addEventListener("input", event => {
  const at = event.target;
  if (at.dataset && at.dataset.for) {
    const number = document.getElementById(at.dataset.for);
    number.value = at.value;
    mark(number);
  } else if (at.dataset && at.dataset.stored !== undefined) {
    const slider = document.querySelector(`input[data-for="${CSS.escape(at.id)}"]`);
    if (slider && at.value !== "") {
      slider.value = at.value;
    }
    mark(at);
  }
});

document.addEventListener("reset", event => {
  event.preventDefault();
  for (const number of event.target.querySelectorAll("input[data-stored]")) {
    number.value = number.dataset.stored;
    const slider = document.querySelector(`input[data-for="${CSS.escape(number.id)}"]`);
    if (slider) {
      slider.value = number.value === "" ? (number.id.endsWith(".low") ? slider.min : slider.max) : number.value;
    }
    mark(number);
  }
  event.target.dispatchEvent(new Event("input", {bubbles: true}));
});

// A field that finds rows: those that do not have what is typed are hidden.
document.addEventListener("input", event => {
  const rows = event.target.dataset && event.target.dataset.rows;
  if (rows) {
    const sought = event.target.value.trim().toLowerCase();
    for (const row of document.querySelectorAll(rows)) {
      row.hidden = !row.textContent.toLowerCase().includes(sought);
    }
  }
});

document.addEventListener("click", event => {
  const button = event.target.closest("button[data-copy]");
  if (button) {
    navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent).then(() => { button.textContent = "copied"; });
  }
});

document.addEventListener("keydown", event => {
  const at = event.target;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && at.id === "sql") {
    at.form.requestSubmit();
  } else if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(at.tagName) && document.getElementById("q")) {
    event.preventDefault();
    document.getElementById("q").focus();
  }
});

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("input[data-stored]").forEach(mark);
  document.querySelectorAll("button[data-copy]").forEach(button => { button.hidden = false; });
});

// Fields that say nothing are left out of an address.
document.addEventListener("htmx:configRequest", event => {
  const fields = event.detail.formData;
  if (event.detail.verb === "get" && fields) {
    for (const name of new Set(fields.keys())) {
      if (fields.getAll(name).every(value => value === "") && !/\.(low|high)$/.test(name)) {
        fields.delete(name);
      }
    }
    if (!fields.get("order")) {
      fields.delete("direction");
    }
  }
});
