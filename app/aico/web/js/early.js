// A classic script: what must be known before the first paint, or a dark room gets a white flash.
document.documentElement.dataset.theme = "auto";
if (location.pathname.endsWith("/embed")) document.documentElement.dataset.embedded = "";
try {
	document.documentElement.dataset.theme = localStorage.getItem("aico.theme") ?? "auto";
} catch {
	// In a frame of another site the browser may keep nothing for us.
}
