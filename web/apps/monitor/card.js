/* SPDX-License-Identifier: MIT */
/* The card of the overview: the last minute of this machine's CPU. */
import { join } from "/duet.js";
import { draw, make } from "/wire.js";
import { shown } from "./units.js";

const KEPT = 60;

export function card(element) {
    const words = make("div", { className: "tally" }, "…");
    const line = draw("path", { fill: "none", stroke: "var(--server)", "stroke-width": 2,
                                "vector-effect": "non-scaling-stroke" });
    const chart = draw("svg", { viewBox: "0 -2 60 104", preserveAspectRatio: "none", "aria-hidden": "true" });
    const seen = [];
    chart.style.height = "calc(100% - 1.8rem)";
    chart.append(line);
    element.append(words, chart);
    join("monitor:here.second", { last: KEPT }).on("message", ({ data }) => {
        if (!Number.isFinite(data?.cpu) || data.at <= seen.at(-1)?.at)
            return;
        seen.push(data);
        seen.splice(0, seen.length - KEPT - 1);
        words.textContent = `CPU ${shown(data.cpu, "%")} · memory ${shown(data.memory, "%")}`
            + ` · ${shown(data.sockets, "")} WebSockets`;
        line.setAttribute("d", seen.map(({ at, cpu }, i) =>
            `${i ? "L" : "M"}${KEPT + at - data.at} ${100 - cpu}`).join(""));
    });
}
