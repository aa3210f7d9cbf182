/* SPDX-License-Identifier: MIT */
/* A canvas as sharp as the screen, in the page's colours. */
const COLOURS = ["paper", "sheet", "well", "ink", "soft", "line", "you", "server",
                 "tint-0", "tint-1", "tint-2", "tint-3", "tint-4", "tint-5"];

/* { canvas, pen, width, height, colours, font }, kept up to date. `changed` is called when the canvas became empty. */
export function prepare(canvas, changed = () => {}) {
    const pen = canvas.getContext("2d");
    const view = { canvas, pen, width: 0, height: 0, colours: {}, font: "" };
    const fit = () => {
        const style = getComputedStyle(canvas);
        for (const name of COLOURS)
            view.colours[name] = style.getPropertyValue(`--${name}`).trim();
        view.font = style.fontFamily;
        [view.width, view.height] = [canvas.clientWidth, canvas.clientHeight];
        [canvas.width, canvas.height] = [view.width * devicePixelRatio, view.height * devicePixelRatio];
        pen.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
        changed();
    };
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", fit);
    new ResizeObserver(fit).observe(canvas);
    fit();
    return view;
}
