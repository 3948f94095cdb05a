// Times as the reader's own clock has them; without a script they stay in UTC.

const today = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const other = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export function localTimes(root) {
  for (const time of root.querySelectorAll("time")) {
    const moment = new Date(time.dateTime);
    if (!time.title && !Number.isNaN(moment.getTime())) {
      time.title = time.textContent;
      const format = moment.toDateString() === new Date().toDateString() ? today : other;
      time.textContent = format.format(moment);
    }
  }
}
