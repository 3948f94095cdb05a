// The event stream: one EventSource, its cursor, and its return after a failure. Runs in the worker that all tabs of a
// browser share, or in a tab where there is no such worker. Knows no page.

const RETRY_MS = 3000;

export class Stream {
  constructor(tell) {
    this.tell = tell; // called with {type: "mail" | "state", ...}
    this.cursor = null;
    this.open = false;
  }

  // Begin after message `after`; a stream that is open already stays as it is.
  begin(after) {
    if (this.cursor === null) {
      this.cursor = after;
      this.connect();
    }
  }

  connect() {
    const source = new EventSource(`/api/events?after=${this.cursor}`);
    source.addEventListener("open", () => this.say(true));
    source.addEventListener("message", (event) => {
      const mail = JSON.parse(event.data);
      this.cursor = Math.max(this.cursor, mail.id);
      this.tell({ type: "mail", mail });
    });
    source.addEventListener("error", () => {
      this.say(false);
      // After an answer other than 200 a browser gives up for good.
      if (source.readyState === EventSource.CLOSED) {
        setTimeout(() => this.connect(), RETRY_MS);
      }
    });
  }

  say(open) {
    this.open = open;
    this.tell({ type: "state", open });
  }
}
