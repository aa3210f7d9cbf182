/* SPDX-License-Identifier: MIT */
/* A picture for who has no camera: the time, for eyes and, as bars, for programs. In two windows beside each other
 * one sees how far the one is behind. */
import { now } from "./clock.js";

const [WIDTH, HEIGHT, RATE] = [640, 360, 25];
const BARS = 20;     /* the lowest bits of the time in ms, the first the highest */
const BAR_HEIGHT = 40;

export function testPicture() {
    const canvas = Object.assign(document.createElement("canvas"), { width: WIDTH, height: HEIGHT });
    const stream = canvas.captureStream(RATE);
    const [track] = stream.getVideoTracks();
    const pen = canvas.getContext("2d", { alpha: false });
    const draw = () => {
        paint(pen, Math.round(now()));
        if (track.readyState === "ended")
            clearInterval(timer);
    };
    const timer = setInterval(draw, 1000 / RATE);
    draw();
    return stream;
}

function paint(pen, time) {
    const turn = (time % 1000) / 1000 * 2 * Math.PI;
    pen.fillStyle = "#17343b";
    pen.fillRect(0, 0, WIDTH, HEIGHT);
    pen.lineWidth = 14;
    for (const [colour, from, to] of [["#2b4d55", turn, 2 * Math.PI], ["#6cc9d6", 0, turn]]) {
        pen.strokeStyle = colour;
        pen.beginPath();
        pen.arc(WIDTH / 2, 150, 120, from - Math.PI / 2, to - Math.PI / 2);
        pen.stroke();
    }
    pen.fillStyle = "#f6faf8";
    pen.font = "34px monospace";
    pen.textAlign = "center";
    pen.fillText(new Date(time).toISOString().slice(11, 21), WIDTH / 2, 164);
    for (let bar = 0; bar < BARS; bar++) {
        pen.fillStyle = Math.floor(time / 2 ** (BARS - 1 - bar)) % 2 ? "#fff" : "#000";
        pen.fillRect(bar * WIDTH / BARS, HEIGHT - BAR_HEIGHT, WIDTH / BARS, BAR_HEIGHT);
    }
}
