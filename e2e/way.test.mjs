// The whole way: a person asks, confirms and reads what became of it; an operator sweeps, looks at the plan and approves.

import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { test } from 'node:test'

import { launch, open, watchLive } from './browser.mjs'
import { Lethe, mia } from './lethe.mjs'
import { ask, read, signIn, work } from './story.mjs'

for (const script of [true, false]) {
  test(`the whole way, ${script ? 'with' : 'without'} script`, async (t) => {
    const [browser, lethe] = await Promise.all([launch(t), Lethe.start(t)])
    const person = await open(browser, lethe.url, { javaScriptEnabled: script })
    const operator = await open(browser, lethe.url, { javaScriptEnabled: script })
    const progress = script ? await watchLive(operator.context) : undefined

    const { status } = await ask(lethe, person.page)
    await signIn(lethe, operator.page)
    await work(lethe, operator.page, { status, by: script ? 'itself' : 'link' })
    if (script) {
      const told = [...progress.values()]
      for (const what of ['lit', 'text']) {
        assert.ok(told.some((document) => new Set(document.map((progress) => progress[what])).size > 1), `the page of a running job changes by itself: ${what}`)
      }
      for (const { lit, text } of told.flat()) {
        for (const name of lit.split(' ')) assert.ok(text.includes(name), `${name} is lit, and said to be at work`)
        assert.ok(!(lit.includes('Find') && lit.includes('RequestApproval')), 'nothing waits for a person while the job searches')
      }
    }
    const { certificate, keys } = await read(lethe, person.page, { status })

    const good = await lethe.verify(certificate, keys)
    assert.equal(good.code, 0, good.said)
    assert.match(good.said, /erased/)
    assert.equal(good.said.includes(mia.email), false, 'the certificate does not name the person')
    // One character of what was signed is another one.
    const signed = await readFile(certificate, 'utf8')
    const at = signed.indexOf('.') + 10
    await writeFile(certificate, signed.slice(0, at) + (signed[at] === 'A' ? 'B' : 'A') + signed.slice(at + 1))
    assert.notEqual((await lethe.verify(certificate, keys)).code, 0, 'a changed certificate is refused')

    const letters = (await lethe.mails()).filter((mail) => mail.to === mia.email)
    assert.equal(letters.length, 3, 'mails: to confirm, to acknowledge, and the answer')
    assert.equal(lethe.log.includes('"level":"ERROR"'), false, lethe.log)
    for (const secret of [mia.email.split('@')[0], status.split('/').at(-1)]) {
      assert.equal(lethe.log.slice(lethe.log.indexOf(lethe.token)).includes(secret), false, 'the log names neither the person nor a link')
    }
    person.calm()
    operator.calm()
  })
}
