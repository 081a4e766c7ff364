// Rows of the threat table that only a browser can show, in Chromium with scripts.
//
//   node threats.mjs config.json
//
// The Go test starts the gateway and writes the configuration: scene says which of the
// scenes below is played; what else it needs stands at the scene.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

import { openBrowser } from './lib/browser.mjs';

const config = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const opened = [];

async function browse(chromiumArgs) {
    const browser = await openBrowser({ chromium: config.chromium, chromiumArgs, javaScript: true });
    opened.push(browser);
    return browser.context;
}

const html = (body) => ({ contentType: 'text/html', body: `<!doctype html><title>of a test</title>${body}` });

/** B2. authorize, redirect, provider (path of its page), callback (path), asked (how often a code was redeemed). */
async function bindings() {
    const { origin } = new URL(config.authorize);
    const redeemed = async () => Number(await (await fetch(config.asked)).text());
    const [ana, eve] = [await browse(), await browse()];

    // Ana approves the way to the provider. Before that, nothing binds and nothing leaves.
    const page = await ana.newPage();
    await page.goto(config.authorize);
    const attempt = new URL(page.url()).searchParams.get('attempt');
    await page.goto(`${origin}${config.provider}?attempt=${attempt}`);
    const bound = async (context) => (await context.cookies(origin)).filter(({ name }) => /_go_/.test(name));
    assert.equal((await bound(ana)).length, 0, 'bound before the approval');
    await page.click('main form button[type=submit], main form button:not([type])');
    // The provider waits for a click, and where it leads is what a thief would have.
    const back = await page.locator('a#back').getAttribute('href');
    assert.equal(new URL(back).pathname, config.callback);
    assert.equal((await bound(ana)).length, 1, 'bound by the approval');

    // Eve opens where Ana came back to: without any cookie, then with an attempt of her own under way.
    const hers = await eve.newPage();
    for (const way of ['as a stranger', 'in a flow of her own']) {
        const got = await hers.goto(back);
        assert.ok(got.status() === 400 || got.status() === 403, `${way}: ${got.status()}`);
        assert.equal(await redeemed(), 0, `${way}: the provider's code is redeemed`);
        assert.ok(!(await eve.cookies(origin)).some(({ name }) => /session/.test(name)), `${way}: she is signed in`);
        for (const path of [`/sign-in?attempt=${attempt}`, `/consent?attempt=${attempt}`]) {
            assert.equal((await hers.goto(origin + path)).status(), 403, `${way}: ${path}`);
        }
        await hers.goto(config.authorize);
    }

    // Ana's is not spoilt by that. Her yes is hers alone, too.
    await page.goto(back);
    assert.equal(await redeemed(), 1);
    const consent = page.url();
    assert.match(consent, /\/consent\?attempt=/);
    assert.equal((await hers.goto(consent)).status(), 403);
    const [sent] = await Promise.all([ana.waitForEvent('request', (request) => request.url().startsWith(config.redirect)), page.click('button[value=allow]')]);
    const answer = new URL(sent.url()); // nobody has to listen there
    assert.ok(answer.searchParams.get('code'));
    assert.equal((await hers.goto(consent)).status(), 403);
    assert.equal((await page.goto(back)).status(), 400, 'once');
    assert.equal(await redeemed(), 1);
}

/** B5. pages: [{name, url, cookies}], none of which may be shown in a frame. */
async function frames() {
    const context = await browse();
    const page = await context.newPage();
    const jars = new Map();
    for (const one of config.pages) {
        const jar = JSON.stringify(one.cookies ?? []);
        jars.set(jar, [...(jars.get(jar) ?? []), one]);
    }
    let framed = 0;
    for (const [jar, pages] of jars) {
        await context.clearCookies();
        for (const { Name, Value } of JSON.parse(jar)) await context.addCookies([{ name: Name, value: Value, url: new URL('/', pages[0].url).href }]);
        // The host is the pages' own, so that their cookies go with the frames.
        const hostile = 'http://localhost:1/';
        await page.route(`${hostile}**`, (route) =>
            route.fulfill(new URL(route.request().url()).pathname === '/control' ? html('<h1>Control</h1>') : html(['/control', ...pages.map(({ url }) => url)].map((url) => `<iframe src="${url.replaceAll('&', '&amp;')}"></iframe>`).join('')))
        );
        await page.goto(hostile, { waitUntil: 'load' });
        const shown = page.frames().filter((frame) => frame !== page.mainFrame());
        assert.equal(shown.length, pages.length + 1);
        const texts = await Promise.all(shown.map((frame) => frame.evaluate(() => document.documentElement.outerHTML)));
        assert.equal(texts.filter((text) => text.includes('<h1>Control</h1>')).length, 1, 'a page that may be framed is shown');
        for (const [i, frame] of shown.entries()) {
            if (texts[i].includes('<h1>Control</h1>')) continue;
            assert.equal(frame.url(), 'chrome-error://chromewebdata/', `${pages.map(({ url }) => url).join(' ')}: one is in a frame: ${texts[i].slice(0, 300)}`);
            framed++;
        }
        await page.unroute(`${hostile}**`);
    }
    assert.equal(framed, config.pages.length);
    console.log(`${framed} pages refuse the frame`);
}

/** B11. console, tenants: [{origin, person}] by name on one domain; the first one is hostile. */
async function cookies() {
    const context = await browse(config.chromiumArgs);
    const page = await context.newPage();
    const [evil, good] = config.tenants;
    const domain = new URL(evil).hostname.split('.').slice(1).join('.');
    // What a page of the hostile tenant can plant for the whole domain.
    await context.route(`${evil}/planted`, (route) => route.fulfill(html('')));
    await page.goto(`${evil}/planted`);
    const plant = (names, attributes) =>
        page.evaluate(([names, attributes]) => {
            for (const name of names) document.cookie = `${name}=planted; ${attributes}`;
            return document.cookie;
        }, [names, attributes]);
    const secured = ['__Host-emcy_session', '__Host-emcy_browser', '__Host-emcy_console', '__Host-emcy_guest'];
    const tossed = secured.map((name) => name.replace('__Host-', ''));
    assert.ok(!(await plant(secured, `Domain=${domain}; Path=/; Secure`)).includes('__Host-'), 'a __Host- cookie has no domain');
    assert.match(await plant(tossed, `Domain=${domain}; Path=/; Secure`), /emcy_session=planted/);
    await plant(tossed, 'Domain=localhost; Path=/');
    const jar = await context.cookies([`${good}/`, `${config.console}/`]);
    assert.equal(jar.filter(({ name }) => tossed.includes(name)).length, tossed.length, 'the planted ones go to the other tenant, and none to the console');

    // The other tenant and the console do not read them: nobody is signed in, a flow works, and what they set is their host's alone.
    await page.goto(`${good}/me/apps`);
    assert.match(page.url(), /\/sign-in\?attempt=me$/);
    await page.fill('input[name=email]', config.email);
    await page.fill('input[name=password]', config.password);
    await page.click('form[action="/sign-in"] button');
    await page.waitForURL(`${good}/me/apps`);
    const set = (await context.cookies(`${good}/`)).filter(({ value }) => value !== 'planted');
    assert.ok(set.length >= 2);
    for (const one of set) {
        assert.match(one.name, /^__Host-/);
        assert.equal(one.domain, new URL(good).hostname, `${one.name} is the host's alone`);
        assert.ok(one.secure && one.httpOnly && one.sameSite === 'Lax' && one.path === '/', one.name);
    }
    assert.equal((await context.cookies(`${evil}/`)).filter(({ value }) => value !== 'planted').length, 0, 'the hostile tenant gets none of them');
    await page.goto(`${evil}/me/apps`);
    assert.match(page.url(), /\/sign-in\?attempt=me$/, 'a session here is none there');
    await page.goto(`${config.console}/workspaces`);
    assert.match(page.url(), /\/sign-in/);
    assert.ok((await context.cookies(`${config.console}/`)).every(({ value, domain }) => value !== 'planted' && domain === 'localhost'));
}

const scenes = { bindings, frames, cookies };

try {
    await (scenes[config.scene] ?? (await import('./payloads.mjs')).default(browse, config))();
    console.log(`${config.scene} holds`);
} finally {
    await Promise.all(opened.map((browser) => browser.close()));
}
