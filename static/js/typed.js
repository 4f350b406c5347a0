/** What somebody typed survives a reload: a form's fields are kept for this tab until the form is done. */

const keyOf = (name) => `hub.typed.${name}`;

function fields(form) {
  return [...form.elements].filter((field) => field.name && field.type !== "password" && !field.dataset.forget);
}

function read(name) {
  try {
    return JSON.parse(sessionStorage.getItem(keyOf(name))) ?? {};
  } catch {
    return {};
  }
}

/** Put back what was typed into a form, and keep what will be. Answers whether anything was put back. */
export function keepTyped(form, name) {
  if (!form || form.dataset.kept) return false;
  form.dataset.kept = name;
  const kept = read(name);
  for (const field of fields(form)) {
    if (!(field.name in kept)) continue;
    if (field.type === "checkbox" || field.type === "radio") field.checked = kept[field.name] === (field.value || true);
    // What was typed before this script came is newer than what was kept.
    else if (!("defaultValue" in field) || field.value === field.defaultValue) field.value = kept[field.name];
  }
  form.addEventListener("input", () => {
    const typed = {};
    for (const field of fields(form)) {
      if (field.type === "radio" && !field.checked) continue;
      typed[field.name] = field.type === "checkbox" ? field.checked && (field.value || true) : field.value;
    }
    sessionStorage.setItem(keyOf(name), JSON.stringify(typed));
  });
  return Object.keys(kept).length > 0;
}

export function forgetTyped(name) {
  sessionStorage.removeItem(keyOf(name));
}

/** Whoever logs out leaves nothing of theirs to the next one at the same tab. */
export function forgetAllTyped() {
  for (const key of Object.keys(sessionStorage)) if (key.startsWith(keyOf(""))) sessionStorage.removeItem(key);
}

/** Any other thing that must survive a reload of this tab. */
export function keep(name, value) {
  if (value === null || value === undefined) sessionStorage.removeItem(keyOf(name));
  else sessionStorage.setItem(keyOf(name), JSON.stringify(value));
}

export function kept(name) {
  try {
    return JSON.parse(sessionStorage.getItem(keyOf(name)));
  } catch {
    return null;
  }
}

/** The fields of a form as an object; empty ones are left out. */
export function valuesOf(form) {
  return Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, String(value).trim()]).filter(([, value]) => value));
}
