/* SPDX-License-Identifier: MIT */
/* The card of the overview: who waits at the desk. */
import { join } from "/duet.js";
import { make } from "/wire.js";

export function card(element) {
    const waiting = new Map();
    const count = make("p", { className: "big tally" }, "0 wait");
    const list = make("ul", { className: "list" });
    element.append(count, list);
    join("desk:queue", { last: 100 }).on("message", ({ data }) => {
        if (typeof data?.about !== "string")
            return;
        if (data.k === "asks")
            waiting.set(data.about, String(data.text).slice(0, 60));
        else
            waiting.delete(data.about);
        count.textContent = `${waiting.size} ${waiting.size === 1 ? "waits" : "wait"}`;
        list.replaceChildren(...[...waiting.values()].slice(-3).map(text => make("li", {}, text)));
    });
}
