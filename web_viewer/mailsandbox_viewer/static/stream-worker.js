// One stream for all tabs of a browser, which opens only six connections to a host. Passes on what comes and keeps
// nothing: a tab asks for what it may have missed by itself.

import { Stream } from "./stream.js";

const ports = new Set();
const stream = new Stream((news) => ports.forEach((port) => port.postMessage(news)));

self.addEventListener("connect", ({ ports: [port] }) => {
  port.addEventListener("message", ({ data }) => {
    if (data.type === "leave") {
      ports.delete(port);
      return;
    }
    ports.add(port);
    stream.begin(data.after);
    port.postMessage({ type: "state", open: stream.open });
  });
  port.start();
});
