// Takes the pictures that test/shots asks for on standard input.
import { mkdirSync, readFileSync } from 'node:fs';

import { openBrowser } from './lib/browser.mjs';

const shots = JSON.parse(readFileSync(0, 'utf8'));
const out = '.cache/shots';
mkdirSync(out, { recursive: true });
mkdirSync('docs/images', { recursive: true });

const browser = await openBrowser({ chromium: '/usr/bin/chromium', javaScript: true });
const page = await browser.context.newPage();
for (const shot of shots) {
    await browser.context.clearCookies();
    const cookies = (shot.cookies ?? []).map(({ Name, Value }) => ({ name: Name, value: Value, url: new URL('/', shot.url).href }));
    if (cookies.length > 0) await browser.context.addCookies(cookies);
    if (shot.answer) await page.route(shot.url, (route) => route.fulfill(shot.answer));
    for (const scheme of ['light', 'dark']) {
        for (const [width, height] of [[1360, 850], [375, 740]]) {
            await page.emulateMedia({ colorScheme: scheme });
            await page.setViewportSize({ width, height });
            await page.goto(shot.url, { waitUntil: 'load' });
            await page.evaluate(() => document.fonts.ready.then(() => true));
            await page.screenshot({ path: `${out}/${shot.name}-${scheme}-${width}.png`, fullPage: true });
            if (shot.name === 'runtime' && width === 1360) await page.screenshot({ path: `docs/images/console-${scheme}.png` });
        }
    }
    await page.unrouteAll();
    console.log(shot.name, shot.url);
}
await browser.close();
