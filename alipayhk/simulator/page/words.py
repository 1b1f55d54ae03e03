"""The page's words in English and Traditional Chinese. One table, so that neither language lags behind."""

from dataclasses import dataclass

TABLE: dict[str, tuple[str, str]] = {
    "title": ("AlipayHK simulator", "AlipayHK 模擬器"),
    "lead": ("An offline twin: no real wallet, no real money", "離線模擬：沒有真實錢包，沒有真實款項"),
    "other_language": ("繁體中文", "English"),
    "mall": ("Mall", "商場"),
    "cards": ("Cards in wallets", "錢包內的會員卡"),
    "no_cards": (
        "No card yet. Let someone join with the form, and the mall's createPass will put a card here.",
        "暫時沒有會員卡。用表格讓用戶登記，商場的 createPass 便會在此建立會員卡。",
    ),
    "points": ("points", "積分"),
    "card_number": ("Card", "卡號"),
    "user": ("User", "用戶"),
    "updates": ("Updates", "更新次數"),
    "calls": ("Calls in and out", "往來呼叫"),
    "no_calls": (
        "Nothing was said yet. Calls appear here as they happen.",
        "暫時沒有呼叫，發生時會在此顯示。",
    ),
    "time": ("Time", "時間"),
    "direction": ("Direction", "方向"),
    "call": ("Call", "呼叫"),
    "outcome": ("Outcome", "結果"),
    "fault": ("Fault", "故障"),
    "took": ("Took", "需時"),
    "in": ("Mall → AlipayHK", "商場 → AlipayHK"),
    "out": ("AlipayHK → mall", "AlipayHK → 商場"),
    "membercard": ("Join", "登記會員"),
    "bill": ("Payment", "付款"),
    "refund": ("Refund", "退款"),
    "createPass": ("Create card", "建立會員卡"),
    "updatePass": ("Update card", "更新會員卡"),
    "bill/query": ("Query a batch", "查詢上載"),
    "circleStore/save": ("Hand over a store", "提交商戶"),
    "circleStore/queryPage": ("List stores", "列出商戶"),
    "stores_held": ("Stores handed over", "已提交的商戶"),
    "DONE": ("Done", "完成"),
    "FAULT": ("Fault", "故障"),
    "REFUSED": ("Refused", "拒絕"),
    "ACTIVE": ("Active", "有效"),
    "CLOSED": ("Closed", "已終止"),
    "USED": ("Used", "已使用"),
    "book": ("AlipayHK's book", "AlipayHK 紀錄冊"),
    "sent": ("notices sent", "已發通知"),
    "acknowledged": ("acknowledged", "已確認"),
    "waiting": ("waiting to be sent again", "等候重發"),
    "not_acknowledged": ("refused or given up", "被拒或放棄"),
    "send": ("Send a notice", "發送通知"),
    "kind": ("What happens", "事件"),
    "new_person": ("Leave empty for a new person", "留空即新用戶"),
    "store": ("Store", "商戶"),
    "amount": ("Amount in HK$", "金額（港元）"),
    "bill_number": ("Bill number", "交易編號"),
    "bill_hint": ("A refund needs its payment's number", "退款須填原交易編號"),
    "how": ("How it is sent", "發送方式"),
    "send_button": ("Send", "發送"),
    "gateway": ("Make the gateway fail", "製造閘道故障"),
    "gateway_lead": ("What the mall's next calls will meet", "商場接下來的呼叫會遇到"),
    "api": ("Calls", "呼叫"),
    "any": ("Both", "兩者"),
    "times": ("How often", "次數"),
    "code": ("Code, for refusals", "代碼（拒絕時）"),
    "once": ("once", "一次"),
    "every_time": ("every time", "每次"),
    "plan_button": ("Plan it", "加入"),
    "clear_button": ("Take all off", "全部取消"),
    "planned": ("waiting", "等候中"),
    "scenarios": ("Play a scenario", "播放情境"),
    "scenario": ("Scenario", "情境"),
    "play_button": ("Play", "播放"),
    "right": ("As expected", "符合預期"),
    "wrong": ("Not as expected", "不符預期"),
    "resend": ("Send again", "再次發送"),
    "request": ("Request", "請求"),
    "answer": ("Answer", "回覆"),
    "no_answer": ("no answer", "沒有回覆"),
    "recent": ("Notices", "通知"),
    "attempts": ("Attempts", "發送次數"),
    "WAITING": ("Waiting", "等候"),
    "SENDING": ("Sending", "發送中"),
    "GIVEN_UP": ("Given up", "已放棄"),
    "ACKNOWLEDGED": ("Acknowledged", "已確認"),
    "KEPT": ("Mall not told", "未通知商場"),
    "PICKED": ("Handed over by the member", "會員已提交"),
    "phone": ("Open the phone", "開啟手機"),
}


@dataclass(frozen=True)
class Words:
    """Looks words up in one language. `code` is that language as HTML names it."""

    code: str

    def __call__(self, key: str) -> str:
        english, chinese = TABLE.get(key, (key, key))
        return self.pick(english, chinese)

    def pick(self, english: str, chinese: str) -> str:
        return chinese if self.code == "zh-Hant" else english


def in_language(code: str) -> Words:
    """The language asked for; English unless it is Chinese."""
    return Words(code="zh-Hant" if code.startswith("zh") else "en")
