// The theme that the reader chose for this browser, or else the system's. It runs
// before the page is drawn, so that no other theme is seen first.
const theme = {
  read: () => { try { return localStorage.getItem("theme") ?? ""; } catch { return ""; } }, // storage can be disabled
  keep: (name) => { try { localStorage.setItem("theme", name); } catch { /* it lasts until the page is closed */ } },
  show: (name) => { document.documentElement.dataset.theme = name; },
};

theme.show(theme.read());
document.addEventListener("DOMContentLoaded", () => {
  const choice = document.getElementById("theme");
  choice.value = theme.read();
  choice.addEventListener("change", () => { theme.show(choice.value); theme.keep(choice.value); });
});
