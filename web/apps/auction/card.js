/* SPDX-License-Identifier: MIT */
/* The lot that is called now. */
import { join } from "/duet.js";
import { make } from "/wire.js";
import { isFurther, money, timeLeft } from "./standing.js";

export function card(element) {
    const title = make("b", {}, "The auctioneer is coming"), price = make("p", { className: "big" }, "€ –");
    const left = make("span", { className: "tally" });
    element.append(title, price, left);
    let standing = null, ahead = 0;
    join("auction:room", { last: 1 }).on("message", ({ data, missed }) => {
        if (!data?.lot || !isFurther(data, standing))
            return;
        standing = data;
        if (!missed)
            ahead = data.now - Date.now();
        title.textContent = data.lot.title;
        price.textContent = money(data.n > 0 ? data.amount : data.lot.start);
    });
    setInterval(() => {
        const ms = standing ? standing.ends - Date.now() - ahead : 0;
        left.textContent = !standing ? "" : standing.k === "sold" ? "sold; the next lot comes"
            : ms > 0 ? `ends in ${timeLeft(ms)}` : "the hammer falls";
    }, 200);
}
