// The consent page in a real browser without scripts, as two people and a hostile site see it.
//
//   node consent.mjs config.json
//
// The Go test starts the gateway and writes the configuration:
//   authorize        the authorization request of a client
//   redirect         its redirect URI
//   email, password  of a member
//   chromium
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

import { openBrowser } from './lib/browser.mjs';

const config = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const { origin } = new URL(config.authorize);
const HOSTILE = 'http://hostile.test';

/** A person's browser of its own. */
async function person() {
    const browser = await openBrowser({ chromium: config.chromium, javaScript: false });
    const page = await browser.context.newPage();
    return { ...browser, page };
}

/** What came to the client, from whomever. */
const answers = [];
const client = createServer((request, response) => {
    const to = new URL(request.url, config.redirect);
    if (to.pathname === new URL(config.redirect).pathname) answers.push(to);
    response.setHeader('content-type', 'text/html');
    response.end('<!doctype html><title>client</title>');
});
await new Promise((listening) => client.listen(new URL(config.redirect).port, '127.0.0.1', listening));

async function signIn(page) {
    await page.fill('input[name=email]', config.email);
    await page.fill('input[name=password]', config.password);
    await page.click('form[action="/sign-in"] button');
}

const text = (page) => page.locator('main').innerText();

const ana = await person();
const eve = await person();
try {
    // Ana comes to the page; the heading has the focus, and Enter in a choice decides nothing.
    await ana.page.goto(config.authorize);
    await signIn(ana.page);
    const consent = ana.page.url();
    assert.match(consent, /\/consent\?attempt=/);
    await ana.page.locator('h1:focus').waitFor();
    await ana.page.keyboard.press('Enter');
    await ana.page.locator('input[name=life]').first().press('Enter');
    assert.equal(ana.page.url(), consent, 'Enter decides something');
    assert.equal(answers.length, 0);
    const [cancel, allow] = await Promise.all(['deny', 'allow'].map((value) => ana.page.locator(`button[value=${value}]`).boundingBox()));
    assert.ok(Math.abs(cancel.width - allow.width) < 1 && Math.abs(cancel.height - allow.height) < 1, 'one answer is larger');

    // B2: the address in another browser: without a cookie, and with another one's.
    for (const says of ['cookies_blocked', 'other_browser']) {
        const answer = await eve.page.goto(consent);
        assert.equal(answer.status(), 403);
        assert.match(await text(eve.page), new RegExp(says));
        await eve.page.goto(config.authorize); // gives this browser a name
    }

    // B5: nobody can frame it.
    await ana.context.route(`${HOSTILE}/**`, (route) => {
        const fields = `<input name="csrf" value="x"><input name="attempt" value="${new URL(consent).searchParams.get('attempt')}"><input name="decision" value="allow">`;
        return route.fulfill({
            contentType: 'text/html',
            body: `<!doctype html><title>hostile</title><iframe src="${consent}"></iframe><form method="post" action="${origin}/consent">${fields}<button>Win</button></form>`
        });
    });
    const hostile = await ana.context.newPage();
    await hostile.goto(`${HOSTILE}/`);
    const frame = hostile.frames().find((one) => one !== hostile.mainFrame());
    assert.ok(!(await frame.content()).includes('Allow access'), 'the page is in a frame');

    // B4: another site's form.
    const [posted] = await Promise.all([hostile.waitForResponse((response) => response.request().method() === 'POST'), hostile.click('button')]);
    assert.equal(posted.status(), 403);
    assert.equal(answers.length, 0);

    // Two tabs, and the first one is answered, twice.
    const second = await ana.context.newPage();
    await second.goto(config.authorize);
    assert.match(second.url(), /\/consent\?attempt=/);
    await ana.page.click('button[value=allow]');
    assert.equal(answers.length, 1);
    assert.ok(answers[0].searchParams.get('code'));
    await ana.page.goto(consent);
    assert.equal(answers[1].href, answers[0].href, 'the same answer again');
    await second.click('button[value=deny]');
    assert.equal(answers[2].searchParams.get('error'), 'access_denied');

    // What Ana allowed is nothing in Eve's browser.
    assert.equal((await eve.page.goto(consent)).status(), 403);
    assert.equal(answers.length, 3);

    // Her own page: one app, and none after she ended it.
    await ana.page.goto(`${origin}/me/apps`);
    await ana.page.click('form[action="/me/apps/revoke"] button');
    assert.match(await text(ana.page), /Access ended[^]*No app can act for you/);
    await ana.page.click('text=Sign out everywhere');
    assert.match(await text(ana.page), /You are signed out/);
    await ana.page.goto(`${origin}/me/apps`);
    assert.match(ana.page.url(), /\/sign-in\?attempt=me$/);
    console.log('the consent page holds');
} finally {
    await ana.close();
    await eve.close();
    client.close();
}
