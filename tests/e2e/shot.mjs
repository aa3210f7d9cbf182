/* SPDX-License-Identifier: MIT */
/* Draws docs/home.png, the picture in the README: the home page after its tune. */
import { fileURLToPath } from "node:url";
import { launch, openWindow } from "./tools/browser.mjs";
import { startDuet } from "./tools/duet.mjs";

const target = fileURLToPath(new URL("../../docs/home.png", import.meta.url));
const server = await startDuet();
const browser = await launch();
try {
    const { page } = await openWindow(browser, `${server.url}/`, { viewport: { width: 1240, height: 1160 },
                                                                  colorScheme: "light" });
    await page.locator("#rtt", { hasText: "ms" }).waitFor();
    await page.click("#play");
    await page.waitForTimeout(4500);
    await page.mouse.move(0, 0);
    await page.screenshot({ path: target });
    console.log(`wrote ${target}`);
} finally {
    await browser.close();
    await server.stop();
}
