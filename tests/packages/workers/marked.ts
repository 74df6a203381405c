// Markdown in, HTML out.
import { Marked, marked, Renderer } from 'marked';

const own = new Marked({
  renderer: {
    heading({ tokens, depth }) {
      return `<h${depth} id="x">${this.parser.parseInline(tokens)}</h${depth}>`;
    },
  },
  extensions: [
    {
      name: 'mention',
      level: 'inline',
      start: (src) => src.indexOf('@'),
      tokenizer(src) {
        const match = /^@(\w+)/.exec(src);
        return match ? { type: 'mention', raw: match[0], who: match[1] } : undefined;
      },
      renderer: (token) => `<a href="/${token.who}">@${token.who}</a>`,
    },
  ],
  async: true,
  async walkTokens(token) {
    await null;
    if (token.type === 'strong') token.text += '';
  },
});

export default {
  async fetch(request: Request) {
    const text = await request.text();
    switch (new URL(request.url).pathname) {
      case '/tokens':
        return Response.json(marked.lexer(text));
      case '/own':
        return new Response(await own.parse(text));
      case '/inline':
        return new Response(await marked.parseInline(text));
      case '/plain':
        return new Response(await marked.parse(text, { gfm: false, renderer: new Renderer() }));
      default:
        return new Response(await marked.parse(text), { headers: { 'content-type': 'text/html' } });
    }
  },
};
