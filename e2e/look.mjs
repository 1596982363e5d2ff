// What is checked on every page: axe's rules in both colour schemes and on the smallest phone, and that nobody has to
// scroll to the side.

import axe from 'axe-core'

const desktop = { width: 1000, height: 900 }
const small = { width: 320, height: 568 }
const common = { width: 390, height: 844 }

/** inspect lists what is wrong with the page that is there, as lines. Its context must bypass the policy, for axe. */
export async function inspect(page, name) {
  const wrong = []
  const add = (how, lines) => wrong.push(...lines.map((line) => `${name}, ${how}: ${line}`))
  await page.evaluate(axe.source)
  for (const colorScheme of ['dark', 'light']) {
    await page.emulateMedia({ colorScheme })
    add(colorScheme, await page.evaluate(violations))
  }
  for (const phone of [small, common]) {
    await page.setViewportSize(phone)
    const [inner, whole] = await page.evaluate(() => [innerWidth, document.scrollingElement.scrollWidth])
    const how = `${phone.width} wide`
    if (whole > inner || inner > phone.width) add(how, [`the page is ${whole} wide in a window of ${inner}: ${(await page.evaluate(widest)).join('; ')}`])
    add(how, await page.evaluate(violations, phone === common ? 'target-size' : undefined))
  }
  await page.setViewportSize(desktop)
  return wrong
}

// violations runs in the page. It takes one rule of axe, or all, also those that are off by default, such as the size of
// what is tapped; without deprecated ones, and without the contrast of 7:1 that WCAG asks for at level AAA.
async function violations(only) {
  const rules = {}
  for (const { ruleId, tags } of axe.getRules()) {
    rules[ruleId] = { enabled: only ? ruleId === only : ruleId !== 'color-contrast-enhanced' && !tags.includes('deprecated') }
  }
  const { violations } = await axe.run(document, { rules, resultTypes: ['violations'] })
  return violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ target, any, all, none }) => `${id} (${help}) at ${target}: ${[...any, ...all, ...none].map(({ message }) => message).join(' ')}`))
}

// widest runs in the page. It names what sticks out to the right.
function widest() {
  return [...document.querySelectorAll('body *')]
    .filter((element) => element.getBoundingClientRect().right > innerWidth + 0.5)
    .map((element) => `${element.tagName} ${element.className} ${element.textContent.trim().slice(0, 40)}`)
    .slice(0, 5)
}
