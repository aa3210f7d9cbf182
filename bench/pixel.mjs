/* SPDX-License-Identifier: MIT */
/* From tick to pixel in one page: the market in Chromium, as it shows it after fifteen seconds. `PORT`: the ticker's. */
import { launch, openWindow } from "../tests/e2e/tools/browser.mjs";
import { startDuet } from "../tests/e2e/tools/duet.mjs";

const server = await startDuet();
const browser = await launch();
try {
    const { page } = await openWindow(browser, `${server.url}/apps/market/?port=${process.argv[2]}`);
    await page.locator("#state[data-state=live]").waitFor();
    await page.waitForTimeout(15000);
    for (const id of ["rate", "age", "worst", "together", "equal"])
        console.log(`${id}: ${await page.textContent(`#${id}`)}`);
} finally {
    await browser.close();
    await server.stop();
}
