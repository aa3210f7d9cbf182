/* SPDX-License-Identifier: MIT */
/* What the page and its card both know of a lot. */

const PHASES = { lot: 0, bid: 0, sold: 1 };

/* Of two things said, which tells more: a later lot, a later bid, the hammer. */
export function isFurther(said, than) {
    if (!than || said.number !== than.number)
        return !than || said.number > than.number;
    return said.n !== than.n ? said.n > than.n : PHASES[said.k] > PHASES[than.k];
}

export function money(amount) {
    return `€ ${Number(amount).toLocaleString("en")}`;
}

/* "1:05", and tenths where they matter. */
export function timeLeft(ms) {
    const seconds = ms / 1000;
    return seconds < 10 ? seconds.toFixed(1)
        : `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
}
