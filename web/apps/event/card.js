/* SPDX-License-Identifier: MIT */
/* What is on the stage, and for how many. */
import { join } from "/duet.js";
import { make } from "/wire.js";

export function card(element) {
    const title = make("p", { className: "big" }, "The hall is open"), line = make("span", { className: "tally" });
    element.append(title, line);
    join("event:hall", { last: 1 }).on("message", ({ data }) => {
        if (!data?.slide)
            return;
        title.textContent = data.slide.title ?? "The hall is open";
        const claps = data.claps.reduce((a, b) => a + b, 0);
        line.textContent = `${data.people} here, ${data.raised} hands up, ${claps} reactions`;
    });
}
