/* Runs before the first paint, so that the chosen theme does not flash. Not a module: modules wait for the page. */
(function () {
  try {
    var theme = localStorage.getItem("kameo-async.theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch (error) {
    /* Storage is off: the system's preference stands. */
  }
})();
