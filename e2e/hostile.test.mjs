// What pages of other sites and people with bad intentions try.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import { test } from 'node:test'

import { arrive, go, launch, open } from './browser.mjs'
import { Lethe } from './lethe.mjs'
import { apply, badge, fillIn, signIn } from './story.mjs'

const markup = `"'><img src=x onerror="document.title='broken'"><script>document.title='broken'</script>`

// A page of another site, with a form to the service that a visitor is tricked into sending.
async function otherSite(t, action, fields) {
  const inputs = Object.entries(fields).map(([name, value]) => `<input type="hidden" name="${name}" value="${value}">`)
  const server = http.createServer((_, response) => {
    response.setHeader('Content-Type', 'text/html')
    response.end(`<!doctype html><title>Win a holiday</title><form method="post" action="${action}">${inputs.join('')}<button>Win</button></form>`)
  })
  server.listen(0)
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    return new Promise((done) => server.close(done))
  })
  return server.address().port
}

test('hostile', async (t) => {
  const [browser, lethe] = await Promise.all([launch(t), Lethe.start(t)])
  const operator = await open(browser, lethe.url)
  await signIn(lethe, operator.page)
  // Somebody's request waits: an attack could sweep it.
  const person = await open(browser, lethe.url)
  const status = await apply(lethe, person.page, { email: 'leo@example.net' })

  // To a browser, another port of 127.0.0.1 is the same site, to which it sends even strict cookies; localhost is another site.
  for (const host of ['127.0.0.1', 'localhost']) {
    for (const [path, fields] of [['/', { wish: 'erase', email: 'victim@example.net' }], ['/console/sweep', {}], ['/console/sign-out', {}]]) {
      await t.test(`a page of ${host} posts to ${path}`, async (t) => {
        const page = await operator.context.newPage()
        await page.goto(`http://${host}:${await otherSite(t, lethe.url + path, fields)}/`)
        const [response] = await Promise.all([page.waitForResponse(lethe.url + path), page.getByRole('button').click()])
        assert.equal(response.status(), 403)
        await page.close()
      })
    }
  }

  await t.test('nothing came of it', async () => {
    await go(operator.page, '/console')
    assert.equal(new URL(operator.page.url()).pathname, '/console', 'the operator is still signed in')
    await go(person.page, status)
    assert.equal(await badge(person.page), 'Waiting to start')
    // When this mail is there, that of an earlier request would be, too.
    await apply(lethe, person.page, { email: 'eve@example.net' })
    assert.deepEqual((await lethe.mails()).filter((mail) => mail.to === 'victim@example.net'), [])
    person.calm()
  })

  await t.test('no site shows the pages in a frame', async (t) => {
    const page = await browser.newPage()
    await page.goto(`http://127.0.0.1:${await otherSite(t, lethe.url, {})}/`)
    const refused = page.waitForEvent('console', (message) => /frame-ancestors/.test(message.text()))
    await page.evaluate((src) => document.body.append(Object.assign(document.createElement('iframe'), { src })), lethe.url + '/console')
    await refused
    await page.close()
  })

  await t.test('markup that is typed stays text', async () => {
    const { page, calm } = await open(browser, lethe.url)
    await go(page, '/')
    await fillIn(page, { email: markup, phone: markup, account: markup })
    await page.getByRole('alert').waitFor()
    for (const name of ['email', 'phone', 'account']) assert.equal(await page.locator(`input[name=${name}]`).inputValue(), markup)
    assert.equal(await page.locator('img, main script').count(), 0)
    assert.doesNotMatch(await page.title(), /broken/)
    const query = encodeURIComponent(markup)
    for (const [path, status] of [[`/?lang=${query}`, 200], [`/verify?token=${query}`, 410], [`/status/${query}`, 404]]) {
      await go(page, path, status)
      assert.equal(await page.locator('img, main script').count(), 0)
      assert.equal((await page.locator('main').innerText()).includes('onerror'), false, `${path.split(query)[0]} repeats what was asked for`)
    }
    calm()
  })

  await t.test('signing in leads to no other site', async () => {
    for (const to of ['//evil.example/', 'https://evil.example/', '/\\evil.example', 'javascript:alert(1)', '/console/../..//evil.example']) {
      const { context, page, calm } = await open(browser, lethe.url)
      await go(page, `/console/sign-in?to=${encodeURIComponent(to)}`)
      await page.getByLabel('Token').fill(lethe.token)
      await arrive(page, '/console', () => page.keyboard.press('Enter'))
      calm()
      await context.close()
    }
  })

  await t.test('the session is out of reach of scripts and of other sites', async () => {
    const [cookie] = await operator.context.cookies()
    assert.deepEqual({ httpOnly: cookie.httpOnly, sameSite: cookie.sameSite, path: cookie.path }, { httpOnly: true, sameSite: 'Strict', path: '/console' })
    assert.equal((await operator.context.cookies()).length, 1)
  })
})
