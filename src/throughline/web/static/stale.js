// A copy that is not made anew any more says so by itself: whoever reads it must not take it for the present.
const note = document.getElementById("stale");
function look() {
  note.hidden = Date.now() - Date.parse(note.dataset.made) <= Number(note.dataset.limit) * 1000;
}
if (note) {
  look();
  setInterval(look, 15000);
}
