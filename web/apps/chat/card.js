/* SPDX-License-Identifier: MIT */
/* The chat's card in the overview: what was said last in the lobby. */
import { make } from "/wire.js";
import { Room } from "./room.js";

const LINES = 4;

export function card(element) {
    const lines = new Map();
    const list = element.appendChild(make("ul", { className: "list" }, make("li", { className: "empty" }, "Nobody speaks yet.")));
    const show = line => {
        lines.set(line.id, line);
        list.replaceChildren(...[...lines.values()].slice(-LINES).map(({ name, text }) =>
            make("li", { className: "one" }, make("b", {}, name), ` ${text || "(taken back)"}`)));
    };
    const room = new Room("lobby", { id: "card", name: "" }, {
        added: show, changed: show, taken: show, removed: line => lines.delete(line.id), forgotten: () => lines.clear(),
        refused() {}, state() {},
    });
    addEventListener("pagehide", () => room.close());
}
