/* SPDX-License-Identifier: MIT */
/* Claps that rise over the stage: however many there are, so few are drawn that the page keeps its frames. */

const MOST = 80;             /* in the air at a time */
const AT_ONCE = 24;          /* of one word of the hall */
const LIFE_MS = 2600;
const SPREAD_MS = 250;       /* over the time until the next word */
const SIZE = 30;

/* release(counts) lets so many of each sign rise. Nothing moves where that is not wanted. */
export function air(canvas, signs) {
    const still = matchMedia("(prefers-reduced-motion: reduce)");
    const context = canvas.getContext("2d");
    const stamps = signs.map(sign => stamp(sign, getComputedStyle(canvas).getPropertyValue(sign.tint)));
    const all = [];
    let drawing = false;

    function draw(now) {
        const { clientWidth: width, clientHeight: height } = canvas;
        if (canvas.width !== width || canvas.height !== height) {
            canvas.width = width;
            canvas.height = height;
        }
        context.clearRect(0, 0, width, height);
        for (let i = all.length - 1; i >= 0; i--) {
            const { begin, x, sway, sign } = all[i];
            const age = (now - begin) / LIFE_MS;
            if (age >= 1) {
                all[i] = all[all.length - 1];
                all.pop();
            } else if (age >= 0) {
                context.globalAlpha = Math.min(1, 3 * (1 - age));
                context.drawImage(stamps[sign], x * (width - SIZE) + sway * Math.sin(age * 6),
                                  (1 - age) * (height - SIZE));
            }
        }
        context.globalAlpha = 1;
        drawing = all.length > 0;
        if (drawing)
            requestAnimationFrame(draw);
    }

    return {
        release(counts) {
            const sum = counts.reduce((a, b) => a + b, 0);
            if (still.matches || document.hidden || sum <= 0)
                return;
            const share = Math.min(1, AT_ONCE / sum);
            counts.forEach((count, sign) => {
                for (let n = Math.ceil(count * share); n > 0 && all.length < MOST; n--)
                    all.push({ begin: performance.now() + Math.random() * SPREAD_MS, x: Math.random(),
                               sway: Math.random() * 24 - 12, sign });
            });
            if (!drawing) {
                drawing = true;
                requestAnimationFrame(draw);
            }
        },
    };
}

/* Drawn once: a picture is cheaper than its path. */
function stamp({ path }, colour) {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = SIZE;
    const context = canvas.getContext("2d");
    context.fillStyle = colour;
    context.scale(SIZE / 24, SIZE / 24);
    context.fill(new Path2D(path), "evenodd");
    return canvas;
}
