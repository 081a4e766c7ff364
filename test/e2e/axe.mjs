// Looks at the pages as axe-core does (WCAG 2.0 to 2.2, A and AA, and its best practice), light and dark, wide and
// narrow; and at what else must not happen: scrolling sideways, an error in the console, a report of a broken policy,
// something that moves although the person asked for stillness.
//
//   node axe.mjs config.json
//
// The Go test fills a gateway and writes the configuration:
//   console, chromium, artifacts
//   pages    [{name, url, cookies: [{Name, Value}], answer}], each looked at in all four looks; an answer stands in for
//            what the address would say now
//   screens  names below /ui-kit/, each looked at in two of them
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import axe from 'axe-core';

import { openBrowser } from './lib/browser.mjs';

const config = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const WIDE = { width: 1360, height: 850 };
const NARROW = { width: 375, height: 740 };
// The dark pages are the light ones in other colours: nothing else has to be asked again.
const RULES = { light: { type: 'tag', values: TAGS }, dark: { type: 'rule', values: ['color-contrast', 'link-in-text-block'] } };
const LOOKS = ['light', 'dark'].flatMap((scheme) => [WIDE, NARROW].map((size) => ({ scheme, size })));

const found = [];
let looked = 0;
let picture = 0;

const browser = await openBrowser({ chromium: config.chromium, javaScript: true });
const page = browser.context.pages()[0] ?? (await browser.context.newPage());
await page.addInitScript(() => {
    window.__broken = [];
    addEventListener('securitypolicyviolation', (event) => window.__broken.push(`${event.effectiveDirective} ${event.blockedURI}`));
});

let noise = [];
page.on('pageerror', (error) => noise.push(`script: ${error.message}`));
page.on('console', (message) => {
    // Whoever opens a page that is not there is told so by the browser, too. The pages of the kit name streams of a
    // workspace that does not exist.
    const of = message.location().url;
    if (message.type() === 'error' && of !== page.url() && !/\/-\/stream\?/.test(of)) noise.push(`console: ${message.text()} ${of}`);
});
page.on('request', (request) => {
    if (new URL(request.url()).pathname === '/csp-report') noise.push(`policy: ${request.postData()}`);
});

async function run(where, runOnly) {
    return page.evaluate(
        async ({ runOnly, where }) => {
            const result = await window.axe.run(where ?? document, { runOnly, resultTypes: ['violations'], preload: false, iframes: false });
            return {
                passes: result.passes.length,
                violations: result.violations.map(({ id, impact, help, nodes }) => ({
                    id,
                    impact,
                    help,
                    nodes: nodes.slice(0, 4).map(({ target, html, failureSummary }) => ({ target: target.join(' '), html: html.slice(0, 200), why: failureSummary }))
                }))
            };
        },
        { runOnly, where }
    );
}

/** Everything that is wrong with the page as it is now. */
async function look({ scheme, size }, where) {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
    await page.setViewportSize(size);
    const wrong = [];
    const { violations, passes } = await run(where, RULES[scheme]);
    for (const { id, impact, help, nodes } of violations) {
        wrong.push(`${id} (${impact}): ${help}\n${nodes.map((node) => `      ${node.target}\n      ${node.html}\n      ${node.why.replace(/\s+/g, ' ')}`).join('\n')}`);
    }
    const state = await page.evaluate(() => ({
        scroll: document.documentElement.scrollWidth - document.documentElement.clientWidth,
        wide: [...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1).slice(0, 3).map((e) => e.outerHTML.slice(0, 120)),
        moving: document.getAnimations().length,
        broken: window.__broken.splice(0)
    }));
    if (state.scroll > 0) wrong.push(`scrolls sideways by ${state.scroll} px: ${state.wide.join(' ')}`);
    if (state.moving > 0) wrong.push(`${state.moving} animations run although the person asked for none`);
    wrong.push(...state.broken.map((text) => `policy: ${text}`), ...noise.splice(0));
    return { wrong, passes };
}

async function report(name, { scheme, size }, { wrong, passes }, least = scheme === 'light' ? 8 : 1) {
    looked++;
    // A page on which axe finds nothing to approve of either was not there.
    if (passes < least) wrong.push(`axe looked at ${passes} rules only`);
    if (wrong.length === 0) return;
    const file = join(config.artifacts, `${++picture}-${name.replace(/[^a-z0-9]+/gi, '-')}-${scheme}-${size.width}.png`);
    await page.screenshot({ path: file, fullPage: true });
    found.push(`${name}, ${scheme}, ${size.width} px (${file})\n${wrong.map((text) => `    ${text}`).join('\n')}`);
}

async function open(url, cookies, answer) {
    await page.unrouteAll();
    if (answer) await page.route(url, (route) => route.fulfill(answer));
    await browser.context.clearCookies();
    if (cookies?.length > 0) {
        await browser.context.addCookies(cookies.map(({ Name, Value }) => ({ name: Name, value: Value, url: new URL('/', url).href })));
    }
    noise = [];
    await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
    await page.goto(url, { waitUntil: 'load' });
    await page.evaluate(() => document.fonts.ready.then(() => true));
    await page.evaluate(axe.source);
}

/** What is closed until somebody opens it: the navigation of a narrow screen, menus, dialogs. */
async function openings(looks, scope) {
    for (const look_ of looks) {
        await page.emulateMedia({ colorScheme: look_.scheme, reducedMotion: 'reduce' });
        await page.setViewportSize(look_.size);
        for (const button of await page.locator(`${scope} button[popovertarget]:visible`).all()) {
            const id = await button.getAttribute('popovertarget');
            await button.click();
            assert.ok(await page.locator(`#${id}`).isVisible(), `#${id} does not open`);
            await report(`opened ${id}`, look_, await look(look_, `#${id}`), 1);
            await page.keyboard.press('Escape');
            assert.ok(look_.size === WIDE || !(await page.locator(`#${id}`).isVisible()), `#${id} does not close`);
        }
        for (const opener of await page.locator(`${scope} dialog-opener:visible`).all()) {
            const id = await opener.getAttribute('data-dialog');
            const control = opener.locator('a, button').first();
            await control.click();
            assert.ok(await page.locator(`#${id}`).isVisible(), `#${id} does not open`);
            await report(`opened ${id}`, look_, await look(look_, `#${id}`), 1);
            await page.keyboard.press('Escape');
            assert.ok(!(await page.locator(`#${id}`).isVisible()), `#${id} does not close`);
            assert.ok(await control.evaluate((e) => e === document.activeElement), `the focus does not come back from #${id}`);
        }
    }
}

/** The single-key shortcuts: what they do, and that they can be turned off for good (WCAG 2.1.4). */
async function keys(url) {
    await page.setViewportSize(WIDE);
    await page.keyboard.press('?');
    const help = page.locator('#keys');
    assert.ok(await help.isVisible(), 'the help does not open');
    await report('opened keys', LOOKS[0], await look(LOOKS[0], '#keys'), 1);
    await page.locator('#keys-on').uncheck();
    await page.keyboard.press('Escape');
    await page.reload();
    await page.keyboard.press('?');
    assert.ok(!(await help.isVisible()), 'a key works that was turned off');
    await page.locator('#keys').evaluate((dialog) => dialog.showModal());
    await page.locator('#keys-on').check();
    await page.keyboard.press('Escape');
    await help.waitFor({ state: 'hidden' });
    await page.keyboard.press('g');
    await page.keyboard.press('l');
    await page.waitForURL((to) => to.pathname.endsWith('/logs'));
    await page.keyboard.press('j');
    assert.ok(await page.evaluate(() => document.activeElement.matches('main .cell-link')), 'j does not go to a row');
    assert.notEqual(page.url(), url);
}

/** Shows that this script finds what it is here for. */
async function control() {
    await page.evaluate(() => {
        const planted = document.createElement('div');
        planted.id = 'planted';
        const button = document.createElement('button');
        const wide = document.createElement('pre');
        wide.textContent = 'wide'.repeat(400);
        planted.append(button, wide);
        document.querySelector('main').append(planted);
        console.error('planted');
        planted.animate([{ opacity: 0 }, { opacity: 1 }], { duration: 60_000 });
        const style = document.createElement('style');
        style.textContent = '#planted { color: red; }';
        document.head.append(style);
    });
    const { wrong } = await look(LOOKS[0]);
    for (const want of [/^button-name/, /^scrolls sideways/, /^console: planted/, /animations run/, /^policy: style-src/]) {
        assert.ok(wrong.some((text) => want.test(text)), `what was planted is not found: ${want}\n${wrong.join('\n')}`);
    }
}

try {
    await open(config.pages[0].url, config.pages[0].cookies);
    await control();
    for (const { name, url, cookies, answer } of config.pages) {
        const since = Date.now();
        await open(url, cookies, answer);
        for (const one of LOOKS) await report(name, one, await look(one));
        if (name === 'runtime') {
            await openings([LOOKS[0], LOOKS[1]], 'body');
            await keys(url);
        }
        if (name === 'kit') await openings([LOOKS[1]], 'main');
        console.log(`${name} ${Date.now() - since} ms`);
    }
    for (const name of config.screens) {
        await open(`${config.console}/ui-kit/${name}`);
        for (const one of [LOOKS[1], LOOKS[2]]) await report(`screen ${name}`, one, await look(one));
    }
    console.log(`looked at ${config.pages.length} pages and ${config.screens.length} screens, ${looked} times`);
    if (found.length > 0) {
        console.log(`\n${found.length} of them are not right:\n\n${found.join('\n\n')}`);
        process.exitCode = 1;
    }
} finally {
    await browser.close();
}
