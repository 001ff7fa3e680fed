// The forced reading time: counts down on the button. The server measures it too, and refuses what is early.
"use strict";

for (const button of document.querySelectorAll("button[data-wait-s]")) {
  const label = button.textContent;
  const until = performance.now() + Number(button.dataset.waitS) * 1000;
  const tick = () => {
    const left = Math.ceil((until - performance.now()) / 1000);
    button.disabled = left > 0;
    button.textContent = left > 0 ? `${label} (${left})` : label;
    if (left > 0) setTimeout(tick, 250);
  };
  tick();
}
