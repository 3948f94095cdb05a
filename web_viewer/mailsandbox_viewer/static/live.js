// The list in step with the inbox. First listen, then ask for what came since the page was made: nothing falls between,
// and what comes by both ways is known by its id.

import { Stream } from "./stream.js";
import { localTimes } from "./times.js";

export class LiveList {
  constructor(list) {
    this.list = list;
    this.newest = Number(list.dataset.newest);
    this.state = document.getElementById("live");
    this.port = null;
  }

  start() {
    this.join();
    addEventListener("pagehide", () => this.leave());
    // A page that the browser kept aside has missed what came meanwhile.
    addEventListener("pageshow", (event) => event.persisted && this.join());
  }

  join() {
    if (typeof SharedWorker === "function") {
      const worker = new SharedWorker("/static/stream-worker.js", { type: "module", name: "mailsandbox" });
      worker.addEventListener("error", () => this.listenAlone());
      this.port = worker.port;
      this.port.addEventListener("message", ({ data }) => this.hear(data));
      this.port.start();
      this.port.postMessage({ type: "join", after: this.newest });
    } else {
      this.listenAlone();
    }
    this.catchUp();
  }

  leave() {
    this.port?.postMessage({ type: "leave" });
    this.port?.close();
    this.port = null;
  }

  listenAlone() {
    this.own ??= new Stream((news) => this.hear(news));
    this.own.begin(this.newest);
  }

  async catchUp() {
    const answer = await fetch(`/rows?after=${this.newest}`).catch(() => null);
    if (!answer?.ok) {
      return; // the state says that there is no connection; the stream comes back by itself
    }
    if (Number(answer.headers.get("X-Rows")) >= 50) {
      location.reload(); // more than a page has come
      return;
    }
    this.show(await answer.text());
    this.count(Number(answer.headers.get("X-Unread")));
  }

  hear(news) {
    if (news.type === "state") {
      this.state.hidden = false;
      this.state.dataset.state = news.open ? "on" : "off";
      this.state.firstElementChild.textContent = news.open ? "Live" : "Reconnecting";
    } else {
      this.show(news.mail.html);
      this.count(news.mail.unread);
    }
  }

  // Put rows where their ids belong, unless they are there.
  show(html) {
    if ("old" in this.list.dataset) {
      return;
    }
    const holder = document.createElement("template");
    holder.innerHTML = html;
    for (const row of holder.content.querySelectorAll("li")) {
      const id = Number(row.dataset.id);
      if (this.list.querySelector(`[data-id="${id}"]`)) {
        continue;
      }
      const older = [...this.list.children].find((other) => Number(other.dataset.id) < id);
      row.classList.add("new");
      localTimes(row);
      this.list.insertBefore(row, older ?? null);
      this.newest = Math.max(this.newest, id);
      const total = document.getElementById("total");
      total.textContent = Number(total.textContent) + 1;
      document.getElementById("empty")?.remove();
    }
  }

  count(unread) {
    document.getElementById("unread").textContent = unread;
    document.title = unread ? `(${unread}) mailsandbox` : "mailsandbox";
  }
}
