// Chromium, and what a page is watched for while it is used.

import assert from 'node:assert/strict'

import { chromium } from 'playwright-core'

/** launch starts Chromium; the end of the test t ends it. */
export async function launch(t) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
  })
  t.after(() => browser.close())
  return browser
}

/**
 * open gives a page with cookies of its own, and calm, for the end: it fails when the browser's console got anything, which is
 * where violations of the Content-Security-Policy go, too; when something was asked of another site; and when an answer came
 * without the strict policy.
 */
export async function open(browser, url, options = {}) {
  const context = await browser.newContext({
    baseURL: url, locale: 'en-GB', timezoneId: 'Europe/Berlin', viewport: { width: 1000, height: 900 }, reducedMotion: 'reduce', acceptDownloads: true,
    ...options,
  })
  context.setDefaultTimeout(15_000)
  const trouble = []
  context.on('weberror', (error) => trouble.push(`script: ${error.error().message}`))
  context.on('dialog', (dialog) => {
    trouble.push(`dialog: ${dialog.message()}`)
    dialog.dismiss()
  })
  context.on('console', (message) => {
    if (message.type() === 'verbose') return // Chromium's advice to developers
    // Chromium writes this for every page with an error status. Such pages are looked at for themselves.
    const own = message.text().startsWith('Failed to load resource') && message.location().url === message.page()?.url()
    if (!own) trouble.push(`console: ${message.text()} (${message.location().url})`)
  })
  context.on('request', (request) => {
    if (!request.url().startsWith(url + '/')) trouble.push(`asked another site: ${new URL(request.url()).origin}`)
  })
  context.on('response', (response) => {
    const headers = response.headers()
    const policy = headers['content-security-policy'] ?? ''
    const want = [`default-src 'none'`, `base-uri 'none'`, `frame-ancestors 'none'`, `form-action 'self'`, `style-src 'self'`]
    const { pathname } = new URL(response.url())
    if (policy.includes('script-src')) {
      want.push(`script-src 'self'`)
      if (!pathname.startsWith('/console')) trouble.push(`${pathname} may run scripts`)
    }
    const lacks = want.filter((part) => !policy.split('; ').includes(part))
    if (lacks.length || /unsafe|\*/.test(policy)) trouble.push(`policy of ${pathname}: ${policy || 'none'}`)
    if (!['no-referrer', 'same-origin'].includes(headers['referrer-policy'])) trouble.push(`${pathname} tells other sites where its reader came from`)
  })
  const page = await context.newPage()
  return { context, page, calm: () => assert.deepEqual(trouble, []) }
}

/** go loads a page and makes sure of its status. */
export async function go(page, path, status = 200) {
  const response = await page.goto(path)
  assert.equal(response.status(), status, `status of ${new URL(response.url()).pathname}`)
}

/** arrive does something that loads a page, and waits for the one with this path. */
export async function arrive(page, path, act) {
  const there = typeof path === 'string' ? (url) => url.pathname === path : (url) => path.test(url.pathname)
  await Promise.all([page.waitForURL(there), act()])
}

/** tabTo presses Tab until the element has the focus. */
export async function tabTo(page, locator) {
  for (let n = 0; n < 40; n++) {
    if (await focused(locator)) return
    await page.keyboard.press('Tab')
  }
  assert.fail(`40 times Tab did not lead to ${locator}`)
}

/** focused tells whether an element has the focus. */
export function focused(locator) {
  return locator.evaluate((element) => element === element.ownerDocument.activeElement)
}

/** getsFocus waits for an element to get the focus, which Chromium gives with the next picture of a page, not at once. */
export async function getsFocus(locator, what) {
  for (let n = 0; n < 100; n++) {
    if (await focused(locator)) return
    await locator.page().evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 20))))
  }
  assert.fail(what)
}

/**
 * watchLive gives a list that grows with what a job's page shows of its progress, as { lit, text }, by document: within one,
 * only script can have changed something.
 */
export async function watchLive(context) {
  const documents = new Map()
  await context.exposeBinding('shown', (_, document, progress) => {
    documents.set(document, [...documents.get(document) ?? [], progress])
  })
  await context.addInitScript(() => {
    let last = ''
    const look = () => {
      const live = document.getElementById('live')
      if (document.readyState === 'loading' || !live) return
      const lit = Array.from(document.querySelectorAll('.machine .lit'), (box) => box.dataset.state).join(' ')
      const text = ['live-states', 'live-lanes'].map((id) => document.getElementById(id).innerText).join('\n')
      if (lit + text === last) return
      last = lit + text
      window.shown(performance.timeOrigin, { lit, text })
    }
    document.addEventListener('readystatechange', look)
    new MutationObserver(look).observe(document, { subtree: true, childList: true, characterData: true, attributes: true })
  })
  return documents
}
