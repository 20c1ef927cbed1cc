/** Words that generated texts are made of: ASCII first, then other scripts, emoji last. */
export const WORDS_BY_SCRIPT: readonly (readonly string[])[] = [
  (
    'the a to of and is it in that for on you this with not have be at as are can if was but from do my we so what ' +
    'your one all there get just like me would has about out will up more time no some people when how now then see ' +
    'work use make need know think good want new try way back server file error build test branch merge deploy cache ' +
    'query index release version config script network lunch meeting tomorrow today thanks sorry maybe really actually ' +
    'probably question answer problem works broken fixed again still already never always something nothing everything'
  ).split(' '),
  'и не что на с это как он по но мы все так из за вы бы да уже если сервер сегодня завтра спасибо хорошо вопрос'.split(
    ' ',
  ),
  'déjà être où très année été français même après là garçon réunion problème équipe mañana niño está señal über für möglich'.split(
    ' ',
  ),
  '今日は 会議 ありがとう 明日 質問 サーバー 問題 です ます それ これ 大丈夫 確認 お願い 昼ご飯'.split(' '),
  '今天 谢谢 问题 服务器 明天 开会 可以 没有 我们 他们 现在 怎么 什么 部署 测试'.split(' '),
  'اليوم شكرا غدا سؤال مشكلة خادم نعم لا ممكن اجتماع الآن كيف ماذا فريق'.split(' '),
  'आज धन्यवाद कल सवाल समस्या सर्वर हाँ नहीं शायद बैठक अभी कैसे क्या टीम'.split(' '),
  '🎉 👍 😂 🙏 ❤️ 👩‍💻 🚀 🤔 👋🏽 ✅ 🔥 😅'.split(' '),
];
