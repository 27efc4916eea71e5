// Plain helpers of the desk's pages: jumping to an event, keys, and staying at the newest line.
window.amendsJump = (seq) => {
  const turn = document.querySelector(`[data-seq="${Number(seq)}"]`);
  if (!turn) return;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  turn.querySelector("details")?.setAttribute("open", "");
  turn.scrollIntoView({ block: "center", behavior: still ? "auto" : "smooth" });
  turn.focus({ preventScroll: true });
  turn.classList.remove("found");
  void turn.offsetWidth;
  turn.classList.add("found");
};
window.amendsFocus = (testid) =>
  setTimeout(() => document.querySelector(`[data-testid="${testid}"]`)?.focus(), 60);

addEventListener("keydown", (e) => {
  const typing = e.target.closest?.("input, textarea, select, [contenteditable]");
  if (e.key === "Escape" && typing && !document.querySelector(".q-dialog")) { e.target.blur(); return; }
  if (typing || e.ctrlKey || e.metaKey || e.altKey || document.querySelector(".q-dialog")) return;
  const press = (selector) => { const found = document.querySelector(selector); if (found) { e.preventDefault(); found.click(); } };
  const focus = (selector) => { const found = document.querySelector(selector); if (found && !found.disabled) { e.preventDefault(); found.focus(); } };
  if (e.key === "j" || e.key === "k") {
    const rows = [...document.querySelectorAll("[data-testid=queue-item]")];
    const here = rows.findIndex((row) => row === document.activeElement);
    const from = here >= 0 ? here : rows.findIndex((row) => row.getAttribute("aria-current") === "true");
    const next = rows[Math.min(rows.length - 1, Math.max(0, from + (e.key === "j" ? 1 : -1)))];
    if (next) { e.preventDefault(); next.focus(); next.click(); }
  } else if (e.key === "t") press("[data-testid=take-over]");
  else if (e.key === "r") focus("[data-testid=reply]");
  else if (e.key === "n") focus("[data-testid=note]");
  else if (e.key === "?") press("#shortcuts");
});

// Whoever reads the newest line keeps reading the newest line; whoever scrolled up is left alone.
(() => {
  let body = null, low = true;
  const atEnd = () => body.scrollHeight - body.scrollTop - body.clientHeight < 80;
  new MutationObserver(() => {
    const now = document.getElementById("c-body");
    if (!now) { body = null; return; }
    if (now !== body) {
      body = now; low = true;
      body.addEventListener("scroll", () => { low = atEnd(); }, { passive: true });
    }
    if (low) body.scrollTop = body.scrollHeight;
  }).observe(document.documentElement, { childList: true, subtree: true, characterData: true });
})();
