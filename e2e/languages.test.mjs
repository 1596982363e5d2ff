// The person's pages and mails in German and French: words, dates, and room for longer words on a phone.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { arrive, go, launch, open } from './browser.mjs'
import { Lethe, link } from './lethe.mjs'
import { inspect } from './look.mjs'
import { fillIn } from './story.mjs'

// The words are not the service's, but what a reader of the language has to find somewhere.
const readers = [
  { locale: 'de-AT', language: 'de', form: /Löschung|löschen/, mail: /^Guten Tag,$/m, wrong: /E-Mail-Adresse/ },
  { locale: 'fr-CH', language: 'fr', form: /effacer|effacement/, mail: /^Bonjour,$/m, wrong: /adresse/ },
  { locale: 'it-IT', language: 'en', form: /erase/, mail: /^Hello,$/m, wrong: /e-mail address/ },
]

// date is how people write a day in the language.
function date(language, iso) {
  const text = new Intl.DateTimeFormat(language === 'en' ? 'en-GB' : language, { dateStyle: 'long', timeZone: 'UTC' }).format(new Date(iso))
  return language === 'fr' ? text.replace(/^1 /, '1er ') : text
}

test('languages', async (t) => {
  const [browser, lethe] = await Promise.all([launch(t), Lethe.start(t)])
  for (const { locale, language, form, mail, wrong } of readers) {
    await t.test(`a browser that asks for ${locale}`, async () => {
      const { page, calm } = await open(browser, lethe.url, { locale, bypassCSP: true })
      const look = async (name) => {
        assert.equal(await page.locator('html').getAttribute('lang'), language, `language of ${name}`)
        if (language !== 'en') assert.deepEqual(await inspect(page, `${name} in ${language}`), [])
      }
      const main = () => page.locator('main').innerText()
      const email = `leo.${language}@example.net`

      await go(page, '/')
      assert.match(await main(), form)
      const promised = await main()
      await look('form')
      await fillIn(page, { email: 'leo' })
      assert.match(await page.getByRole('alert').innerText(), wrong)
      await look('form with problems')
      await arrive(page, '/sent', () => fillIn(page, { email }))
      await look('sent')
      const letter = await lethe.mail(email, 'verify')
      assert.equal(letter.language, language)
      assert.match(letter.text, mail)
      await go(page, link(letter, lethe.url))
      await look('verify')
      await arrive(page, /^\/status\//, () => page.getByRole('button').click())
      await look('status')

      // The last date of the page is the one by which the answer is due. The form promised the same, in the same words.
      const due = page.locator('main time').last()
      const day = date(language, await due.getAttribute('datetime'))
      assert.equal(await due.innerText(), day)
      assert.ok(promised.includes(day), `the form promises an answer by ${day}`)
      const received = await lethe.mail(email, 'status')
      assert.equal(received.language, language)
      assert.ok(received.text.includes(day), 'so does the mail')
      calm()
    })
  }

  await t.test('a language that is chosen by hand stays chosen', async () => {
    const { page, calm } = await open(browser, lethe.url)
    await go(page, '/')
    await page.getByRole('link', { name: 'Français' }).click()
    await page.locator('html[lang=fr]').waitFor()
    await arrive(page, '/sent', () => fillIn(page, { email: 'leo.chosen@example.net' }))
    assert.equal(await page.locator('html').getAttribute('lang'), 'fr')
    assert.equal((await lethe.mail('leo.chosen@example.net', 'verify')).language, 'fr')
    calm()
  })
})
