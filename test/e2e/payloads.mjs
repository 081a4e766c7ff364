// B6 in Chromium: pages that show what somebody else chose are opened, and nothing of it runs.
//
// The configuration, beside threats.mjs's:
//   payloads  texts, each shown raw by a page of the test's own to prove that it would be found
//   pages     [{name, url, cookies, shows}]: shows is a payload that has to be on the page as text
//   tabs      how many pages are looked at at once
import assert from 'node:assert/strict';

const html = (body) => ({ contentType: 'text/html', body: `<!doctype html><title>of a test</title><body>${body}` });

export default (browse, config) => async () => {
    const context = await browse();
    const origins = new Set([config.console, ...config.pages.map(({ url }) => new URL(url).origin)]);
    let events = [];
    await context.exposeBinding('__violated', (_, text) => events.push(`policy ${text}`));
    await context.addInitScript(() => addEventListener('securitypolicyviolation', (event) => window.__violated(`${event.effectiveDirective} ${event.blockedURI} ${event.sample}`)));
    context.on('page', (page) => {
        page.on('dialog', (dialog) => {
            events.push(`dialog ${dialog.message()}`);
            return dialog.dismiss().catch(() => {}); // its page may be gone by now
        });
        page.on('request', (request) => {
            const { origin, pathname, protocol } = new URL(request.url());
            if (protocol.startsWith('http') && !origins.has(origin)) events.push(`request ${request.url()}`);
            if (pathname === '/csp-report') events.push(`report ${request.postData()}`);
        });
    });
    await context.route((url) => !origins.has(url.origin), (route) => route.abort());

    // The control: without escaping and without a policy, payloads are found.
    const control = await context.newPage();
    const raw = `${config.console}/raw`;
    let body = '';
    await context.route(raw, (route) => route.fulfill(html(body)));
    const kinds = new Set();
    for (const payload of config.payloads.slice(0, 30)) {
        body = `<p>${payload}</p>`;
        await control.goto(raw);
        for (const event of events.splice(0)) kinds.add(event.split(' ')[0]);
    }
    await control.goto('about:blank');
    events = [];
    assert.ok(kinds.has('dialog') && kinds.has('request'), `the control finds ${[...kinds].join(', ') || 'nothing'}`);
    await control.goto(config.pages[0].url);
    await control.evaluate(() => document.body.insertAdjacentHTML('beforeend', '<img src="//evil.test/x" onerror="alert(1)">'));
    // Until a broken policy is found: without it the test ends by its own time.
    while (!events.some((event) => event.startsWith('policy '))) {
        await control.evaluate(() => new Promise((done) => requestAnimationFrame(done)));
    }
    await control.close();
    events = [];

    // Pages with the same cookies are looked at by several tabs.
    const wrong = [];
    const jars = new Map();
    for (const one of config.pages) {
        const jar = JSON.stringify(one.cookies ?? []);
        jars.set(jar, [...(jars.get(jar) ?? []), one]);
    }
    let looked = 0;
    for (const [jar, pages] of jars) {
        await context.clearCookies();
        for (const { Name, Value } of JSON.parse(jar)) await context.addCookies([{ name: Name, value: Value, url: new URL('/', pages[0].url).href }]);
        const queue = [...pages];
        await Promise.all(
            Array.from({ length: config.tabs }, async () => {
                const page = await context.newPage();
                for (let one = queue.shift(); one; one = queue.shift()) {
                    await page.goto(one.url, { waitUntil: 'load' });
                    const { text, origin, active } = await page.evaluate(() => ({
                        text: document.body.innerText + [...document.querySelectorAll('input, [title], [aria-label]')].map((e) => `${e.value ?? ''} ${e.title} ${e.getAttribute('aria-label')}`).join(' '),
                        origin: location.origin,
                        // Markup that no page of ours has, wherever it comes from.
                        active: [...document.querySelectorAll('iframe, object, embed, base, math, video, meta[http-equiv=refresh], [onerror], [onload], [onclick], [onfocus], [onmouseover], [hx-get*="evil"], [href^="javascript:" i], [src*="evil.test"], form[action*="evil.test"], style:not([nonce])')].map((e) => e.outerHTML.slice(0, 200))
                    }));
                    if (!origins.has(origin)) wrong.push(`${one.name} led to ${origin}`);
                    if (active.length > 0) wrong.push(`${one.name}: ${active.join(' ')}`);
                    const plain = (s) => s.replace(/\s+/g, ' ').toLowerCase();
                    if (one.shows && !plain(text).includes(plain(one.shows))) wrong.push(`${one.name} does not show ${one.shows}: ${text.slice(0, 400)}`);
                    wrong.push(...events.splice(0).map((event) => `${one.name} or one beside it: ${event}`));
                    looked++;
                }
                await page.close();
            })
        );
    }
    console.log(`${looked} pages with ${config.payloads.length} payloads, ${events.length + wrong.length} findings`);
    assert.deepEqual([...wrong, ...events].slice(0, 20), []);
};
