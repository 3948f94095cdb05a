// What every page starts: local times, questions before a deletion, and the live list where there is one.

import { LiveList } from "./live.js";
import { localTimes } from "./times.js";

localTimes(document);

for (const form of document.querySelectorAll("form[data-confirm]")) {
  form.addEventListener("submit", (event) => {
    if (!confirm(form.dataset.confirm)) {
      event.preventDefault();
    }
  });
}

const list = document.getElementById("mails");
if (list) {
  new LiveList(list).start();
}
