// A classic script in the head: the chosen theme must be set before the first paint, or a dark room gets a white flash.
document.documentElement.dataset.theme = localStorage.getItem("aico.theme") ?? "auto";
