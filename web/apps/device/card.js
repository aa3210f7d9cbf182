/* SPDX-License-Identifier: MIT */
/* The card of the overview: the first devices with their last readings. */
import { join } from "/duet.js";
import { make } from "/wire.js";
import { Fleet } from "./fleet.js";

const MOST = 8;

export function card(element) {
    const fleet = new Fleet("device");
    const figures = new Map();
    const list = make("div", { className: "toolbar" });
    element.append(list);
    fleet.on("message", (name, { data }) => {
        if (Number.isFinite(data?.t))
            figures.get(name).textContent = ` ${data.t.toFixed(1)} °C`;
    });
    join("fleet:all", { last: 20 }).on("message", ({ data }) => {
        const names = Array.isArray(data?.devices) ? data.devices : [];
        const fresh = names.filter(name => /^[\w-]{1,31}$/.test(name) && !figures.has(name))
            .slice(0, MOST - figures.size);
        for (const name of fresh) {
            figures.set(name, make("b", { className: "tally" }, " –"));
            list.append(make("span", { className: "tag" }, name, figures.get(name)));
        }
        fleet.watch(fresh);
    });
}
