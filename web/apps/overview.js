/* SPDX-License-Identifier: MIT */
/*
 * A card for each application that is there. What is alive in it comes from the application's own card.js:
 *
 *     export function card(element, running) { ... }   // element: empty, 9.5rem high; running: of state.js
 *
 * It is called when the card is about to be seen.
 */
import { byId, make } from "/wire.js";
import { running } from "./state.js";

const APPS = [
    ["chat", "Chat", "Rooms, names, typing, and nothing lost when the network goes."],
    ["game", "Online game", "One server decides, a thousand play, and each sees it smoothly."],
    ["stream", "Live streaming", "Camera, microphone or screen, from one browser to many."],
    ["market", "Market data", "Order books of 200 instruments: a snapshot, then what changes."],
    ["doc", "Shared editing", "Write and draw together, also while you are offline."],
    ["notify", "Notifications", "One line of curl reaches a person, today or when they are back."],
    ["monitor", "Monitoring", "This machine and this server, a day back and up to now."],
    ["auction", "Auction", "Bids in one order, one clock, the same end for all."],
    ["support", "Support chat", "A widget for any site, and the desk that answers."],
    ["device", "Devices", "Readings come in, commands go out, and the lost are found."],
    ["event", "Virtual event", "Slides in step, hands, polls and a quiz, for thousands."],
];

async function fill(place, name, state) {
    const { card } = await import(`./${name}/card.js`);
    await card(place, state);
}

const state = await running();
const seen = new IntersectionObserver(entries => {
    for (const { target, isIntersecting } of entries)
        if (isIntersecting) {
            seen.unobserve(target);
            fill(target, target.dataset.app, state);
        }
}, { rootMargin: "200px" });

byId("missing").hidden = state.demo;
for (const [name, title, text] of APPS.filter(([name]) => state.apps.includes(name))) {
    const place = make("div", { className: "live", dataset: { app: name } });
    byId("cards").append(make("li", { className: "card" },
        make("h2", {}, make("a", { href: `/apps/${name}/` }, title)), make("p", {}, text), place));
    seen.observe(place);
}
