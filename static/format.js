/** Numbers, money and times for people, by language. Times are shown as clocks in Stockholm show them. */

const ZONE = "Europe/Stockholm";
const NONE = "–";
const DAY = 86_400_000;
const HOUR = 3_600_000;
const MINUTE = 60_000;
const STEPS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];

/** @param {number} milliseconds
 * @returns {string} minutes and seconds: `0:07`, `12:30`, `1:02:03` */
export function clockTime(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const tail = String(rest).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`;
}

const shown = (value, write) => (value === null || value === undefined ? NONE : write(value));

/** @typedef {ReturnType<typeof formats>} Formats */

/** @param {"sv" | "en"} language */
export function formats(language) {
  const locale = language === "sv" ? "sv-SE" : "en-GB";
  const number = (options) => new Intl.NumberFormat(locale, options);
  const time = (options) => new Intl.DateTimeFormat(locale, { timeZone: ZONE, ...options });
  const whole = number({ maximumFractionDigits: 0 });
  const plain = number({ maximumFractionDigits: 2 });
  const short = number({ maximumSignificantDigits: 3 });
  const rough = number({ maximumSignificantDigits: 2 });
  const unit = (name, unitDisplay) => number({ style: "unit", unit: name, unitDisplay, maximumFractionDigits: 0 });
  const [days, hours, minutes] = [unit("day", "long"), unit("hour", "short"), unit("minute", "short")];
  const percent = number({ style: "percent", maximumFractionDigits: 0 });
  const hundredths = number({ style: "percent", minimumFractionDigits: 0, maximumFractionDigits: 2 });
  const day = time({ day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
  const hour = time({ hour: "2-digit", minute: "2-digit" });
  const date = time({ dateStyle: "short" });
  const listing = new Intl.ListFormat(locale);
  const yesterday = new Intl.RelativeTimeFormat(locale, { numeric: "auto" }).format(-1, "day");
  const far = new Intl.RelativeTimeFormat(locale, { style: "short", numeric: "always" });

  const relative = (iso, now) => {
    const seconds = (Date.parse(iso) - now) / 1000;
    const [unit, size] = STEPS.find(([, step]) => Math.abs(seconds) >= step) ?? STEPS.at(-1);
    return far.format(Math.trunc(seconds / size), unit).replace(/\.$/, "");
  };

  return {
    locale,
    none: NONE,
    /** @param {number | null | undefined} value */
    whole: (value) => shown(value, (n) => whole.format(n)),
    /** @param {number | null | undefined} value */
    number: (value) => shown(value, (n) => plain.format(n)),
    /** A rate in per cent per year: `9,25 %`. @param {number | null | undefined} value */
    rate: (value) => shown(value, (n) => hundredths.format(n / 100)),
    /** A fraction, cut and not rounded, so that 99,9 % is never shown as full. @param {number | null} value */
    filled: (value) => shown(value, (n) => percent.format(Math.floor(n * 100 + 1e-9) / 100)),
    /** @param {number | null | undefined} value @param {string | null} [currency] */
    money: (value, currency) => shown(value, (n) => [plain.format(n), currency].filter(Boolean).join("\u00a0")),
    /** `Sverige och Danmark`. @param {string[]} words */
    list: (words) => listing.format(words),
    /** In millions, three digits: `412`, `3,25`. @param {number} value */
    millions: (value) => short.format(value / 1e6),
    /** Two digits and zeros: `180 000`. @param {number} value */
    rough: (value) => rough.format(value),
    /** A length of time as one says it: `3 tim`, `25 min`. @param {number} milliseconds a minute or more */
    about: (milliseconds) => {
      const [size, write] = [[DAY, days], [HOUR, hours]].find(([one]) => milliseconds >= 1.5 * one) ?? [MINUTE, minutes];
      return write.format(milliseconds / size).replace(/\s/g, "\u00a0");
    },
    /** @param {string | null | undefined} iso */
    moment: (iso) => shown(iso, (at) => day.format(new Date(at))),
    /** `14:10` today, `i går 14:10` yesterday, else as `moment`. @param {string} iso @param {number} now */
    lately: (iso, now) => {
      const at = new Date(iso);
      const on = date.format(at);
      if (on === date.format(now)) return hour.format(at);
      return on === date.format(now - DAY) ? `${yesterday} ${hour.format(at)}` : day.format(at);
    },
    /** @param {string | null | undefined} iso */
    hour: (iso) => shown(iso, (at) => hour.format(new Date(at))),
    /** `om 3 tim`, `för 2 min sedan`. @param {string} iso @param {number} now in milliseconds */
    relative,
  };
}
