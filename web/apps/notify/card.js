/* SPDX-License-Identifier: MIT */
/* What waits for the user of this browser, and the line that sends more. */
import { join } from "/duet.js";
import { make } from "/wire.js";
import { remembered } from "../state.js";
import { tokenOf } from "./token.js";

export function card(element, { backends }) {
    const user = remembered("notify-user") || "ann";
    const count = make("p", { className: "big" }, "–"), newest = make("p", {}, `for ${user}`);
    const body = JSON.stringify({ channel: `notify:#${user}`, data: { title: "Tea is ready" } });
    element.append(count, newest, make("code", {}, `curl -d '${body}' ${location.origin}/api/publish`));
    let unread = 0;
    if (backends.notify)
        join(`notify:#${user}`, { last: 500, token: () => tokenOf(user) }).on("message", ({ data, text }) => {
            unread = typeof data?.read === "number" ? 0 : unread + 1;
            count.textContent = `${unread} unread`;
            newest.textContent = `for ${user}: ${String(data?.title ?? text ?? "").slice(0, 60)}`;
        });
}
