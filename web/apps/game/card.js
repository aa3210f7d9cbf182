/* SPDX-License-Identifier: MIT */
/* The game's card: the arena around the best player. */
import { make } from "/wire.js";
import { Line } from "/apps/line.js";
import { Arena } from "/apps/game/draw.js";
import { STEP_MS, World } from "/apps/game/world.js";

const WATCH = 3;

export function card(element) {
    const canvas = make("canvas", { role: "img", ariaLabel: "The arena around the best player" });
    element.append(canvas);
    const arena = new Arena(canvas);
    const world = new World();
    world.heading = { right: 0, down: -127 };
    let [place, cameAt] = [world.own, 0];
    const line = new Line("game", {
        state: () => {},
        open: () => line.send(Uint8Array.of(WATCH)),
        message(data) {
            cameAt = performance.now();
            world.take(data, cameAt);
            [world.before, place] = [place, world.own];
            if (world.own.vx || world.own.vy)
                world.heading = { right: world.own.vx, down: world.own.vy };
            line.live();
        },
    });
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const frame = () => {
        const now = performance.now();
        if (world.counts.states > 0)
            arena.draw(world, Math.min(1, (now - cameAt) / STEP_MS), now);
        if (still)
            setTimeout(frame, 2000);
        else
            requestAnimationFrame(frame);
    };
    frame();
}
