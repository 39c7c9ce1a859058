import { anycastStory } from '../anycast-story.ts'
import { describeStory } from '../story-suite.ts'

describeStory('anycast', 'gateways on every node', anycastStory)
