// Everything that the journey has to know about the pages: paths, the names of
// form fields, the words on buttons. When a page changes, this file changes.

/** Fields and buttons of the console. */
export const signUp = {
    path: '/sign-up',
    async send(page, person) {
        await page.locator('input[name=name]').fill(person.name);
        await page.locator('input[name=email]').fill(person.email);
        await page.locator('input[name=password]').fill(person.password);
        await submit(page, 'input[name=password]');
    }
};

export const newWorkspace = {
    path: '/workspaces/new',
    async send(page, { name, slug }) {
        await page.locator('input[name=name]').fill(name);
        await page.locator('input[name=slug]').fill(slug);
        await submit(page, 'input[name=slug]');
    }
};

export const newRuntime = {
    path: (workspace) => `/${workspace}/runtimes/new`,
    async send(page, { name, slug, url }) {
        await page.locator('input[name=url]').fill(url);
        await page.locator('input[name=name]').fill(name);
        await page.locator('input[name=slug]').fill(slug);
        await submit(page, 'input[name=slug]');
    }
};

export const setup = {
    path: (workspace, runtime) => `/${workspace}/runtimes/${runtime}/setup`,
    async secret(page) {
        const match = /EMCY_WORKER_SHARED_SECRET=["']?([A-Za-z0-9_.~-]{20,})/.exec(await text(page));
        if (!match) throw new Error('the setup page shows no worker secret');
        return match[1];
    },
    async done(page) {
        await page.getByRole('button', { name: /stored it/i }).click();
    }
};

export const runtime = {
    path: (workspace, slug) => `/${workspace}/runtimes/${slug}`,
    /** What a probe says when nothing listens: the finding, and what to do. */
    nothingListens: /nothing (is )?listen|connection (was )?refused|refused the connection|could not connect|cannot be reached/i,
    nextStep: /start (it|the runtime|your)|check that|is (it|the runtime) running|probe again/i,
    ready: /\bReady\b/,
    async probeAgain(page) {
        await page.getByRole('button', { name: /probe again/i }).click();
    }
};

export const probe = {
    path: (workspace, slug) => `/${workspace}/runtimes/${slug}/probe`,
    works: /\bWorks\b/
};

export const connect = {
    path: (workspace, slug) => `/${workspace}/runtimes/${slug}/connect`,
    waiting: /waiting for the first/i,
    connected: /\bConnected\b/
};

export const logs = {
    path: (workspace) => `/${workspace}/logs`,
    live: (workspace) => `/${workspace}/logs?live=1`,
    /** The links to the pages of calls of a tool, newest first. */
    calls: (page, workspace, tool) =>
        page
            .locator('tr, li, article')
            .filter({ has: page.getByText('tools/call', { exact: true }) })
            .filter({ has: page.getByText(tool, { exact: true }) })
            .locator(`a[href^="/${workspace}/logs/"]`)
};

/** The end-user pages on a tenant's origin. */
export const signIn = {
    path: '/sign-in',
    async send(page, person) {
        await page.locator('input[name=email]').fill(person.email);
        await page.locator('input[name=password]').fill(person.password);
        await submit(page, 'input[name=password]');
    }
};

export const consent = {
    path: '/consent',
    unverified: /unverified|not verified|registered itself|calls itself/i,
    async allow(page) {
        await page.locator('button[name=decision][value=allow]').click();
    }
};

/** What a person reads on the page. */
export async function text(page) {
    return (await page.locator('body').innerText()).replace(/\s+/g, ' ');
}

/** Presses the submit button of the form that a field is in. */
async function submit(page, field) {
    await page.locator('form').filter({ has: page.locator(field) }).locator('button[type=submit], button:not([type])').first().click();
}
