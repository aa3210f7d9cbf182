/* SPDX-License-Identifier: MIT */
/* Chromium for the tests: windows that remember every complaint, and keys only. */
import { chromium } from "playwright-core";

/* Flags for a camera, a microphone and a screen that are not there, without a question. */
export const FAKE_DEVICES = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
                             "--auto-select-desktop-capture-source=Entire screen"];

/* `flags` are Chromium's own. */
export function launch(flags = []) {
    const isRoot = process.getuid?.() === 0;
    return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
                             args: isRoot ? ["--no-sandbox", ...flags] : flags });
}

/* A window of its own, with its own storage. `complaints` gathers errors, warnings and refused loads. */
export async function openWindow(browser, url, options = {}) {
    const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, ...options });
    context.setDefaultTimeout(10000);
    const page = await context.newPage();
    const complaints = [];
    page.on("console", message => {
        if (["error", "warning"].includes(message.type()))
            complaints.push(message.text());
    });
    page.on("pageerror", error => complaints.push(error.message));
    page.on("response", response => {
        if (response.status() >= 400)
            complaints.push(`${response.status()} ${response.url()}`);
    });
    await page.goto(url);
    return { page, complaints, close: () => context.close() };
}

/* Presses Tab until `selector` has the focus. Throws if it is not reached in one turn round the page. */
export async function tabTo(page, selector) {
    for (let i = 0; i < 60; i++) {
        await page.keyboard.press("Tab");
        if (await page.evaluate(wanted => document.activeElement?.matches(wanted), selector))
            return;
    }
    throw new Error(`Tab does not reach ${selector}`);
}
