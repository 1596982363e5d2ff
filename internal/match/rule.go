package match

// Rule says in words by what a request matched. It names no property and no value.
type Rule string

// The rules.
const (
	ByInstallID Rule = "install id"
	ByUserID    Rule = "user id"

	EmailInUserID     Rule = "e-mail in the user id"
	PhoneInUserID     Rule = "phone number in the user id"
	InstallIDInUserID Rule = "install id in the user id"

	EmailInProperty     Rule = "e-mail in a property"
	PhoneInProperty     Rule = "phone number in a property"
	UserIDInProperty    Rule = "user id in a property"
	InstallIDInProperty Rule = "install id in a property"
	NamedProperty       Rule = "named property"

	EmailInTag     Rule = "e-mail in a tag"
	PhoneInTag     Rule = "phone number in a tag"
	UserIDInTag    Rule = "user id in a tag"
	InstallIDInTag Rule = "install id in a tag"

	EmailInDefinition     Rule = "e-mail in a definition"
	PhoneInDefinition     Rule = "phone number in a definition"
	UserIDInDefinition    Rule = "user id in a definition"
	InstallIDInDefinition Rule = "install id in a definition"
	PropertyInDefinition  Rule = "named property in a definition"

	EmailInText     Rule = "e-mail in a text"
	PhoneInText     Rule = "phone number in a text"
	UserIDInText    Rule = "user id in a text"
	InstallIDInText Rule = "install id in a text"
	PropertyInText  Rule = "property value in a text"

	EmailInData     Rule = "e-mail in custom data"
	PhoneInData     Rule = "phone number in custom data"
	UserIDInData    Rule = "user id in custom data"
	InstallIDInData Rule = "install id in custom data"
	PropertyInData  Rule = "property value in custom data"

	EmailTargeted     Rule = "e-mail among the targets"
	PhoneTargeted     Rule = "phone number among the targets"
	UserIDTargeted    Rule = "user id among the targets"
	InstallIDTargeted Rule = "install id among the targets"
)

// kind is what an identifier is.
type kind uint8

const (
	isEmail kind = iota
	isPhone
	isUserID
	isInstallID
	isProperty
)

// place is where an identifier was found.
type place uint8

const (
	inInstallID place = iota
	inUserID
	inProperty
	inTag
	inDefinition
	inText
	inData
	inTarget
)

// ruleOf names a match. A property identifier is never found in install ids, user ids, tags and targets.
func ruleOf(k kind, p place) Rule {
	return [...][5]Rule{
		inInstallID:  {ByInstallID, ByInstallID, ByInstallID, ByInstallID, ByInstallID},
		inUserID:     {EmailInUserID, PhoneInUserID, ByUserID, InstallIDInUserID, ByUserID},
		inProperty:   {EmailInProperty, PhoneInProperty, UserIDInProperty, InstallIDInProperty, NamedProperty},
		inTag:        {EmailInTag, PhoneInTag, UserIDInTag, InstallIDInTag, UserIDInTag},
		inDefinition: {EmailInDefinition, PhoneInDefinition, UserIDInDefinition, InstallIDInDefinition, PropertyInDefinition},
		inText:       {EmailInText, PhoneInText, UserIDInText, InstallIDInText, PropertyInText},
		inData:       {EmailInData, PhoneInData, UserIDInData, InstallIDInData, PropertyInData},
		inTarget:     {EmailTargeted, PhoneTargeted, UserIDTargeted, InstallIDTargeted, UserIDTargeted},
	}[p][k]
}
